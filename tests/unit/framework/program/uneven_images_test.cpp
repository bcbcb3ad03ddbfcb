// SPDX-License-Identifier: Apache-2.0
// Folded programs of payloads that images do not divide evenly: every image's chunks have sizes that are proved, and a wrong image is found.
#include "folded/uneven_images.h"

#include <gtest/gtest.h>

#include "folded/image_checker.h"
#include "p2plab/machine/presets.h"
#include "p2plab/program/lower.h"
#include "p2plab/schedule/layout.h"
#include "support/plans.h"

namespace p2plab::uneven_images_test {
namespace {

struct Folded {
  Topology machine;
  Schedule schedule;
  Proof proof;
};

Folded folded_on(const std::string& name, const std::string& planner, CollectiveKind kind) {
  auto machine = *resolve_topology(name);
  PlanContext context;
  context.fold_from = 2;
  auto plan = test::plan_on(machine, planner, make_collective(kind, machine.ranks()), {}, context);
  auto proof = *verify(machine, plan->schedule);
  return {std::move(machine), std::move(plan->schedule), std::move(proof)};
}

constexpr std::array<std::int64_t, 6> odd_sizes{1, 30, 257, 1024, 16385, 262145};

// Group by group, whatever an image has, one of those that are proved has.
TEST(UnevenImages, HaveGroupsOfChunksThatAreProved) {
  for (const auto kind : {CollectiveKind::all_reduce, CollectiveKind::all_gather, CollectiveKind::reduce_scatter, CollectiveKind::all_to_all}) {
    const auto of = folded_on("hgx-a100:nodes=6,gpus=2", "hierarchical", kind);
    const ChunkGroups groups(of.schedule, of.proof);
    const auto count = of.schedule.base_chunk_count();
    for (const auto elements : odd_sizes) {
      SCOPED_TRACE(std::string{to_string(kind)} + " " + std::to_string(elements));
      const Payload payload{.elements = elements};
      const auto folded = folded_payload(of.schedule, of.proof, payload);
      ASSERT_TRUE(folded);
      EXPECT_LE(folded->even.below.elements, elements);
      EXPECT_GE(folded->even.above.elements, elements);
      const auto sizes = [&](const Payload& cut_payload, std::size_t image, std::size_t group) {
        const auto extents = cut(of.schedule, cut_payload);
        std::vector<std::int64_t> all;
        for (std::size_t c = 0; c < count; ++c) {
          if (groups.of(ChunkId{static_cast<std::int64_t>(c)}) == group) all.push_back(extents[image * count + c].count);
        }
        return all;
      };
      for (std::size_t g = 0; g < groups.count(); ++g) {
        std::vector proved{sizes(folded->even.above, 0, g), sizes(folded->even.below, 0, g)};
        for (const int image : folded->apart) proved.push_back(sizes(payload, static_cast<std::size_t>(image), g));
        for (std::size_t i = 0; i < static_cast<std::size_t>(of.schedule.folding().images()); ++i)
          EXPECT_TRUE(std::ranges::find(proved, sizes(payload, i, g)) != proved.end()) << i;
      }
    }
  }
}

TEST(UnevenImages, AreProvedAsTheWholeIs) {
  for (const auto* planner : {"forest", "hierarchical"}) {
    for (const auto kind : {CollectiveKind::all_reduce, CollectiveKind::all_gather, CollectiveKind::reduce_scatter}) {
      const auto of = folded_on("hgx-a100:nodes=3,gpus=2", planner, kind);
      for (const auto elements : odd_sizes) {
        for (const auto protocol : {Protocol::simple, Protocol::ll}) {
          SCOPED_TRACE(std::string{planner} + " " + std::string{to_string(kind)} + " " + std::to_string(elements));
          const auto folded = *lower_folded(of.schedule, of.proof, {.elements = elements}, {.protocol = protocol}, PeerAccess(of.machine), 0);
          ASSERT_TRUE(folded);
          EXPECT_EQ(folded->payload.elements, elements);
          const auto proved = check_folded(of.machine, of.schedule, of.proof, *folded);
          EXPECT_TRUE(proved) << describe(proved.error());
          EXPECT_TRUE(lower_checked(of.machine, of.schedule, of.proof, {.elements = elements}, {.protocol = protocol}));
        }
      }
    }
  }
}

// What any instruction of the base leaves out, moves or does not wait for.
TEST(UnevenImages, WrongOnesAreFound) {
  const auto of = folded_on("hgx-a100:nodes=3,gpus=2", "hierarchical", CollectiveKind::all_reduce);
  const Payload payload{.elements = 16385};
  const auto folded = *folded_payload(of.schedule, of.proof, payload);
  EXPECT_EQ(folded.apart, std::vector{2});  // the last image has what is less than 16 bytes
  const PeerAccess peer_access(of.machine);
  const checking::ImageChecker checker(of.machine, peer_access, of.schedule, of.proof, folded);
  for (const int image : {0, 1, 2}) {
    const auto good = Lowering{of.schedule, of.proof, payload, {}, false, of.proof.images(), image}.run(Lowered::image);
    EXPECT_TRUE(checker.check_image(good, image, PacketWire::ll));
    const auto fails = [&](const auto& change) {
      auto wrong = good;
      change(wrong);
      return !checker.check_image(wrong, image, std::nullopt);
    };
    EXPECT_FALSE(checker.check_image(good, (image + 1) % 3, std::nullopt));
    for (std::size_t i = 0; i < good.instructions.size(); ++i) {
      EXPECT_TRUE(fails([&](Program& p) { p.instructions[i].bytes -= 4; })) << i;
      EXPECT_TRUE(fails([&](Program& p) { p.operands[p.instructions[i].operands].offset += 4; })) << i;
      const bool waits = good.instructions[i].wait_count > 0;
      EXPECT_EQ(fails([&](Program& p) { p.instructions[i].wait_count = 0; }), waits) << i;
    }
  }
  // The folded program as it is timed.
  const auto good = **lower_folded(of.schedule, of.proof, payload, {}, peer_access, 0);
  EXPECT_TRUE(check_folded(of.machine, of.schedule, of.proof, good));
  for (std::size_t i = 0; i < good.instructions.size(); ++i) {
    auto wrong = good;
    wrong.instructions[i].bytes -= 4;
    EXPECT_FALSE(check_folded(of.machine, of.schedule, of.proof, wrong));
  }
}

// Order that chunks of other groups give is none: these may have nothing to move.
TEST(ChunkGroups, HaveLanesAndWaitsOfTheirOwn) {
  const auto of = folded_on("hgx-a100:nodes=6,gpus=2", "hierarchical", CollectiveKind::all_to_all);
  const ChunkGroups groups(of.schedule, of.proof);
  ASSERT_GT(groups.count(), 1U);
  const auto program = Lowering{of.schedule, of.proof, {.elements = 1 << 12}, {}, false, of.proof.images()}.run(Lowered::image);
  const auto apart = lanes_by_group(program, of.proof, groups);
  EXPECT_GT(apart.lanes.size(), program.lanes.size());
  EXPECT_EQ(apart.instructions.size(), program.instructions.size());
  const auto group = [&](const Instruction& instruction) { return groups.of(of.proof.chunk(instruction.step)); };
  std::uint32_t next = 0;
  for (const auto& lane : apart.lanes) {
    ASSERT_EQ(lane.first, next);
    next += lane.count;
    for (auto i = lane.first; i < next; ++i) {
      const auto& instruction = apart.instructions[i];
      EXPECT_EQ(group(instruction), group(apart.instructions[lane.first]));
      EXPECT_TRUE(i == lane.first || apart.instructions[i - 1].step < instruction.step);
      for (const auto& wait : apart.waits_of(instruction)) EXPECT_EQ(group(apart.at(wait.lane, wait.instruction)), group(instruction));
    }
  }
  EXPECT_EQ(next, apart.instructions.size());
}

}  // namespace
}  // namespace p2plab::uneven_images_test
