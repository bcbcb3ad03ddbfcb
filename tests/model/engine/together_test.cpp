// SPDX-License-Identifier: Apache-2.0
// Programs that run at the same time: alone where they share nothing, in turn where they share a link.
#include <gtest/gtest.h>

#include <array>

#include "p2plab/machine/presets.h"
#include "p2plab/simulator/profile.h"
#include "p2plab/simulator/together.h"
#include "support/simulated.h"

namespace p2plab::together_test {
namespace {

using test::at_rate;
using test::one_us;

TogetherResult together(const Topology& machine, std::vector<const Program*> programs, const Profile& profile = {}) {
  auto result = simulate_together(machine, programs, profile);
  EXPECT_TRUE(result) << (result ? "" : result.error().message);
  return result ? *std::move(result) : TogetherResult{};
}

// Senders a and b reach receivers over one bus of 10 GB/s.
Topology bus() {
  auto builder = test::with_gpus("bus", 4);
  const auto a = builder.add_node({.name = "a", .kind = NodeKind::pcie_switch});
  const auto b = builder.add_node({.name = "b", .kind = NodeKind::pcie_switch});
  builder.add_duplex(a, b, LinkKind::pcie, GBps(10), Seconds{1e-6});
  for (int i = 0; i < 2; ++i) {
    builder.add_duplex(NodeId{i}, a, LinkKind::pcie, GBps(10), Seconds{1e-6});
    builder.add_duplex(NodeId{2 + i}, b, LinkKind::pcie, GBps(10), Seconds{1e-6});
  }
  return test::built(std::move(builder));
}

TEST(Together, TwoProgramsShareALinkInTurn) {
  const auto machine = bus();
  const auto first = test::lowered(machine, test::pairs(4, {{Rank{0}, Rank{2}}}), 1_MiB, {.slice = 64_KiB});
  const auto second = test::lowered(machine, test::pairs(4, {{Rank{1}, Rank{3}}}), 1_MiB, {.slice = 64_KiB});
  const auto both = together(machine, {&first, &second});
  EXPECT_EQ(both.makespan, 3 * one_us + 2 * at_rate(1 << 20, 10));
  // They are served slice by slice, so the other one ends a slice before.
  EXPECT_EQ(both.finish[0] + at_rate(1 << 16, 10), both.finish[1]);
}

TEST(Together, AShortProgramBesideALongOneWaitsForItsTurnsOnly) {
  const auto machine = bus();
  const auto large = test::lowered(machine, test::pairs(4, {{Rank{0}, Rank{2}}}), 16_MiB, {.slice = 64_KiB});
  const auto small = test::lowered(machine, test::pairs(4, {{Rank{1}, Rank{3}}}), 64_KiB, {.slice = 16_KiB});
  const auto both = together(machine, {&large, &small});
  EXPECT_EQ(both.makespan, 3 * one_us + at_rate(16 << 20, 10) + at_rate(64 << 10, 10));
  EXPECT_LE(both.finish[1], 3 * one_us + at_rate(64 << 10, 10) + 5 * at_rate(64 << 10, 10));
}

// Every planner and variant, with the costs of a real machine: programs on the halves of a machine without common links take what each takes alone.
TEST(Together, ProgramsThatShareNothingTakeWhatTheyTakeAlone) {
  const auto machine = *make_preset("hgx-h200", {{"gpus", "4"}});
  const auto profile = *load_profile("h200");
  for (const auto* planner : {"one_shot", "two_shot", "ring", "tree"}) {
    for (const auto& tuning :
         {Tuning{.blocks_per_lane = 3, .slice = 10_KiB}, Tuning{.protocol = Protocol::ll}, Tuning{.protocol = Protocol::lamport}}) {
      const auto program = test::planned(machine, planner, CollectiveKind::all_reduce, 100_KiB, {}, tuning);
      const auto alone = test::simulated(machine, program, profile);
      const auto joined = together(machine, {&program}, profile);
      EXPECT_EQ(joined.makespan, alone.makespan) << planner;
      EXPECT_EQ(joined.bound, alone.bound) << planner;
      EXPECT_EQ(joined.transfers, alone.transfers) << planner;
      for (std::size_t r = 0; r < alone.uses.size(); ++r) EXPECT_EQ(joined.uses[r].bytes, alone.uses[r].bytes) << alone.uses[r].name;
    }
  }
}

TEST(Together, WhatIsWrongIsAnError) {
  const auto machine = bus();
  auto program = test::lowered(machine, test::pairs(4, {{Rank{0}, Rank{2}}}), 1_MiB, {.slice = 64_KiB});
  const std::array programs{static_cast<const Program*>(&program)};
  const auto expect_refused = [&](std::string_view why) {
    const auto refused = simulate_together(machine, programs, {});
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find(why), std::string::npos);
  };
  program.tuning.protocol = Protocol::copy;
  expect_refused("copy engines");
  program.folded = true;
  expect_refused("folded");
}

}  // namespace
}  // namespace p2plab::together_test
