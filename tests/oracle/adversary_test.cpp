// SPDX-License-Identifier: Apache-2.0
// Programs of schedules that are hard to lower: proved, run under orders chosen to hurt, and damaged. P2PLAB_ADVERSARY=100000 makes so many of each.
#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "p2plab/program/check.h"
#include "p2plab/program/lower.h"
#include "support/adversary/forgetful_waits.h"
#include "support/adversary/hard_schedules.h"
#include "support/adversary/program_mutations.h"
#include "support/adversary/slice_machine.h"

namespace p2plab::adversary_test {
namespace {

using test::HardCase;
using test::HardSchedules;
using test::SliceMachine;

constexpr std::size_t small = 500;  // slices of a program whose pairs of slices are all compared

std::uint64_t cases(std::uint64_t usual) {
  const char* const wanted = std::getenv("P2PLAB_ADVERSARY");
  return wanted == nullptr ? usual : std::strtoull(wanted, nullptr, 10);
}

class Adversary : public ::testing::Test {
 protected:
  struct Lowered {
    const Topology& machine;
    HardCase hard;
    Proof proof;
    Program program;
  };

  Lowered lowered(std::uint64_t seed) const {
    const int ranks = 2 + static_cast<int>(seed % 4);
    const auto& machine = machines[static_cast<std::size_t>(ranks) - 2];
    auto hard = HardSchedules{ranks, seed}.make();
    auto proof = verify(machine, hard.schedule, {.in_place = hard.in_place});
    EXPECT_TRUE(proof) << "seed " << seed << ", " << hard.name << ": " << describe(proof.error());
    auto program = lower(hard.schedule, *proof, hard.payload, hard.tuning);
    EXPECT_TRUE(program) << "seed " << seed << ", " << hard.name << ": " << describe(program.error());
    return {machine, std::move(hard), *std::move(proof), *std::move(program)};
  }

  // What some order of events does wrong; empty if none of those tried does.
  static std::string harm(const Program& program, int interleavings, std::uint64_t seed) {
    SliceMachine machine(program);
    if (machine.slices() <= small) {
      if (auto race = machine.race(); !race.empty()) return race;
    }
    for (int i = 0; i < interleavings; ++i) {
      if (auto wrong = machine.run(seed * 1000 + static_cast<std::uint64_t>(i)); !wrong.empty()) return wrong;
    }
    return {};
  }

  const std::vector<Topology> machines{test::machine_for_hard_schedules(2), test::machine_for_hard_schedules(3), test::machine_for_hard_schedules(4),
                                       test::machine_for_hard_schedules(5)};
};

TEST_F(Adversary, ProgramsOfHardSchedulesAreProvedAndRightInEveryOrderTried) {
  const auto wanted = cases(1000);
  std::size_t instructions = 0;
  for (std::uint64_t seed = 0; seed < wanted && !HasFailure(); ++seed) {
    const auto made = lowered(seed);
    const auto checked = check(made.machine, made.program);
    EXPECT_TRUE(checked) << "seed " << seed << ", " << made.hard.name << ": " << describe(checked.error());
    EXPECT_EQ(harm(made.program, 3, seed), "") << "seed " << seed << ", " << made.hard.name;
    instructions += made.program.instructions.size();
  }
  fmt::print("{} programs of {} instructions, {} interleavings\n", wanted, instructions, 3 * wanted);
  EXPECT_GT(instructions, 10 * wanted);
}

TEST_F(Adversary, TheLoweringThatForgotWhatASmallChunkLeavesIsFoundOut) {
  const auto wanted = cases(1000);
  int refused = 0;
  for (std::uint64_t seed = 0; seed < wanted && !HasFailure(); ++seed) {
    auto made = lowered(seed);
    test::forget_what_is_covered(made.program, made.hard.schedule, made.proof);
    const auto checked = check(made.machine, made.program);
    if (checked) {
      EXPECT_EQ(harm(made.program, 2, seed), "") << "seed " << seed << ", " << made.hard.name;
    } else {
      ++refused;
      SliceMachine machine(made.program);
      if (machine.slices() > small) continue;
      EXPECT_NE(machine.race(), "") << "seed " << seed << ", " << describe(checked.error());
    }
  }
  fmt::print("{} of {} programs of the former lowering refused\n", refused, wanted);
  EXPECT_GT(refused, 0);
}

TEST_F(Adversary, DamagedProgramsAreRefusedOrHarmless) {
  struct Count {
    int made = 0;
    int refused = 0;
  };
  const auto& kinds = test::program_mutations();
  std::vector<Count> counts(kinds.size());
  const auto wanted = cases(1000);
  for (std::uint64_t seed = 0, made = 0; made < wanted && !HasFailure(); ++seed) {
    const auto good = lowered(seed);
    if (good.program.instructions.empty()) continue;
    std::mt19937_64 random(seed);
    for (std::size_t k = 0; k < kinds.size(); ++k) {
      const auto bad = kinds[k].make(good.program, random);
      if (!bad) continue;
      ++made;
      ++counts[k].made;
      if (!check(good.machine, *bad)) {
        ++counts[k].refused;
        continue;
      }
      EXPECT_EQ(harm(*bad, 3, seed), "") << "seed " << seed << ", " << kinds[k].name << ", " << good.hard.name;
    }
  }
  // Other slices or blocks harm nothing where all chunks of a place are alike; the rest is damage nearly always.
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    const bool alike = kinds[k].name == "slices changed" || kinds[k].name == "blocks of a lane changed";
    EXPECT_TRUE(alike || counts[k].refused > 0) << kinds[k].name;
    fmt::print("{:<36} {:>6} made {:>6} refused {:>5} harmless\n", kinds[k].name, counts[k].made, counts[k].refused,
               counts[k].made - counts[k].refused);
  }
}

}  // namespace
}  // namespace p2plab::adversary_test
