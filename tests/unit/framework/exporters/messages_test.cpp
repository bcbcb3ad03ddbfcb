// SPDX-License-Identifier: Apache-2.0
// GOAL and Chakra are read back by the rules of their formats and replayed: nothing hangs, and the data that moves is the program's.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "support/exported.h"
#include "support/formats/message_readers.h"

namespace p2plab::messages_test {
namespace {

using test::exported;
using Case = test::Exportable;

using test::Op;
using test::Ops;
using test::read_chakra;
using test::read_goal;
using test::replay;
using test::Traffic;

Traffic traffic_of(const Program& program) {
  Traffic traffic;
  for (const auto& lane : program.lanes) {
    for (auto index = lane.first; index < lane.first + lane.count; ++index) {
      const auto& i = program.instructions[index];
      const auto slice = program.tuning.slice.count();
      for (std::int64_t s = 0; s < program.slices(i); ++s) {
        const auto bytes = slice <= 0 ? i.bytes : std::min(slice, i.bytes - s * slice);
        const auto me = static_cast<int>(lane.rank.value);
        for (const auto& o : program.sources(i)) {
          if (o.rank != lane.rank) traffic[{static_cast<int>(o.rank.value), me}].insert(bytes);
        }
        for (const auto& o : program.destinations(i)) {
          if (o.rank != lane.rank) traffic[{me, static_cast<int>(o.rank.value)}].insert(bytes);
        }
      }
    }
  }
  return traffic;
}

std::vector<Case> cases() {
  using enum CollectiveKind;
  std::vector<Case> all;
  const Tuning sliced{.blocks_per_lane = 2, .slice = 1_KiB};
  for (const int n : {1, 2, 3, 5, 8}) {
    const auto machine = test::one_switch(n);
    for (const char* planner : {"ring", "tree", "two_shot"}) all.push_back(test::exportable(machine, planner, all_reduce, 9'997_B, {}, sliced));
    all.push_back(test::exportable(machine, "one_shot", all_reduce, 10'000_B, {{"mode", "pull"}}));
    all.push_back(test::exportable(machine, "one_shot", all_gather, Bytes{n * 1000}));
    all.push_back(test::exportable(machine, "ring", reduce_scatter, Bytes{n * 1000}, {}, sliced));
    all.push_back(test::exportable(machine, "pairwise", all_to_all, Bytes{n * n * 64}));
  }
  all.push_back(test::exportable(test::dgx1(8, true, false), "ring", all_reduce, 0_B));
  all.push_back(test::exportable(test::dgx1(8, true, false), "forest", all_gather, 64_KiB));
  all.push_back(test::exportable(test::islands_over_pcie(2, 2), "hierarchical", all_reduce, 64_KiB, {}, sliced));
  return all;
}

TEST(Goal, ReplayMovesTheProgramsDataAndNeverHangs) {
  for (const auto& c : cases()) {
    SCOPED_TRACE(c.plan.planner + " " + std::to_string(c.machine.ranks()));
    EXPECT_EQ(replay(read_goal(exported(c, "goal").front().content)), traffic_of(c.program));
  }
}

// The reader takes a cpu of 255 for a machine of 256 = 0 CPUs.
TEST(Goal, MoreThreadBlocksOrLinksThanItsReaderCanNumberAreRefusedWithTheirNumber) {
  const auto machine = test::one_switch(2);
  auto most = test::exportable(machine, "one_shot", CollectiveKind::all_reduce, 1_MiB, {}, {.blocks_per_lane = 255});
  EXPECT_TRUE(test::try_export(most, "goal"));
  auto many = test::exportable(machine, "one_shot", CollectiveKind::all_reduce, 1_MiB, {}, {.blocks_per_lane = 256});
  const auto refused = test::try_export(many, "goal");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "GOAL: a GPU has 256 thread blocks, each a CPU; at most 255 can be numbered");
  std::vector<std::tuple<int, int, int>> edges;
  for (int i = 1; i <= 256; ++i) edges.emplace_back(0, i, 1);
  auto star = test::exportable(test::meshed(257, edges), "one_shot", CollectiveKind::broadcast, 4_KiB);
  const auto wide = test::try_export(star, "goal");
  ASSERT_FALSE(wide);
  EXPECT_EQ(wide.error().message, "GOAL: a GPU has 256 neighbours, each a NIC; at most 255 can be numbered");
}

// LogGOPSim books a message on the sender's NIC number at both ends, so links that meet at a GPU have different numbers, the same at both ends.
TEST(Goal, EachLinkOfAGpuIsANicOfItsOwnWithOneNumberAtBothEnds) {
  for (const auto& machine : {test::full_mesh(5), test::dgx1(8, true, false), test::line(4)}) {
    const auto c = test::exportable(machine, "forest", CollectiveKind::all_gather, 64_KiB);
    const auto ranks = read_goal(exported(c, "goal").front().content);
    std::map<std::pair<int, int>, std::set<int>> nics;  // GPU, peer: on direct links only
    for (std::size_t r = 0; r < ranks.size(); ++r) {
      for (const auto& op : ranks[r]) {
        if (op.kind != 'c') nics[{static_cast<int>(r), op.peer}].insert(op.nic);
      }
    }
    std::map<int, std::set<int>> of_gpu;
    for (const auto& [ends, numbers] : nics) {
      EXPECT_EQ(numbers.size(), 1U);
      EXPECT_TRUE(of_gpu[ends.first].insert(*numbers.begin()).second) << ends.first << " to " << ends.second;
      EXPECT_EQ(numbers, (nics[{ends.second, ends.first}]));
    }
  }
}

TEST(Chakra, ReplayMovesTheProgramsDataAndNeverHangs) {
  for (const auto& c : cases()) {
    SCOPED_TRACE(c.plan.planner + " " + std::to_string(c.machine.ranks()));
    EXPECT_EQ(replay(read_chakra(exported(c, "chakra"))), traffic_of(c.program));
  }
}

// ASTRA-sim's feeder looks for a first node in every file, and divides operations by bytes for the cost of a sum.
TEST(Chakra, EveryRankHasAFirstNodeAndSumsCountTheirAdditions) {
  for (const auto& c : cases()) {
    SCOPED_TRACE(c.plan.planner + " " + std::to_string(c.machine.ranks()));
    std::int64_t operations = 0;
    for (const auto& ops : read_chakra(exported(c, "chakra"))) {
      EXPECT_TRUE(std::ranges::any_of(ops, [](const Op& op) { return op.after.empty(); }));
      for (const auto& op : ops) {
        operations += op.operations;
        EXPECT_TRUE(op.kind != 'c' || (op.operations > 0) == (op.tensor > 0));
      }
    }
    std::int64_t additions = 0;  // elements are bytes here
    for (const auto& i : c.program.instructions) additions += i.bytes * (i.sources - 1);
    EXPECT_EQ(operations, additions);
  }
}

}  // namespace
}  // namespace p2plab::messages_test
