// SPDX-License-Identifier: Apache-2.0
// Programs cut at servers: which ranks live together, how many stages a plan takes, and that a wrong cut is found.
#include "p2plab/segments/segments.h"

#include <gtest/gtest.h>

#include "p2plab/machine/presets.h"
#include "p2plab/program/lower.h"
#include "segments/parts.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::segments_test {
namespace {

Result<SegmentedProgram> cut_plan(const Topology& machine, const std::string& planner, CollectiveKind kind, std::int64_t elements = 1000,
                                  const Parameters& parameters = {}) {
  const auto plan = test::plan_on(machine, planner, kind, parameters);
  if (!plan) return plan.error();
  return cut_at_servers(machine, plan->schedule, {.elements = elements, .type = DataType::float32}, {.slice = 1_KiB}, false);
}

TEST(Servers, AreWhatNoNetworkParts) {
  const auto two = test::servers(2, 3);
  const auto servers = servers_of(two);
  EXPECT_EQ(servers.of, (std::vector<int>{0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(servers.ranks[1], (std::vector<Rank>{Rank{3}, Rank{4}, Rank{5}}));
  const auto one = test::islands_over_pcie(2, 2);
  EXPECT_EQ(servers_of(one).count(), 1);
  const auto preset = make_preset("hgx-h100", {{"nodes", "3"}, {"network", "rail"}});
  ASSERT_TRUE(preset);
  EXPECT_EQ(servers_of(*preset).count(), 3);
}

TEST(Segments, OneServerIsOneStageWithoutMessages) {
  const auto cut = cut_plan(test::one_switch(4), "ring", CollectiveKind::all_reduce);
  ASSERT_TRUE(cut) << describe(cut.error());
  ASSERT_EQ(cut->stages.size(), 1U);
  EXPECT_TRUE(cut->stages[0].messages.empty());
}

// Of n servers with a rank each, a ring passes everything on n - 1 times; the last segment adds or keeps what came.
TEST(Segments, ARingOfNServersHasAGroupForEachOfItsRounds) {
  for (const int n : {2, 3, 4}) {
    const auto machine = test::servers(n, 1);
    const auto gather = cut_plan(machine, "ring", CollectiveKind::all_gather);
    ASSERT_TRUE(gather) << describe(gather.error());
    std::size_t groups = 0;
    for (const auto& stage : gather->stages) groups += stage.messages.empty() ? 0 : 1;
    EXPECT_EQ(groups, static_cast<std::size_t>(n - 1));
    const auto reduce = cut_plan(machine, "ring", CollectiveKind::all_reduce);
    ASSERT_TRUE(reduce) << describe(reduce.error());
    groups = 0;
    for (const auto& stage : reduce->stages) groups += stage.messages.empty() ? 0 : 1;
    EXPECT_EQ(groups, static_cast<std::size_t>(2 * (n - 1)));
  }
}

// Two servers, pairwise: every rank sends every block of the other server at once.
TEST(Segments, AllToAllCrossesInOneGroupAndMovesEveryBlockOfOthersOnce) {
  const auto cut = cut_plan(test::servers(2, 2), "pairwise", CollectiveKind::all_to_all, 64);
  ASSERT_TRUE(cut) << describe(cut.error());
  std::int64_t bytes = 0;
  std::size_t groups = 0;
  for (const auto& stage : cut->stages) {
    groups += stage.messages.empty() ? 0 : 1;
    for (const auto& message : stage.messages) {
      EXPECT_FALSE(cut->servers.together(message.from.rank, message.to.rank));
      bytes += message.bytes;
    }
  }
  EXPECT_EQ(groups, 1U);
  EXPECT_EQ(bytes, 4 * 2 * 16 * 4);  // ranks, blocks of the other server, elements, bytes
}

TEST(Segments, EverySegmentTouchesItsOwnServerOnly) {
  for (const auto* planner : {"ring", "tree", "hierarchical", "two_shot", "forest"}) {
    const auto cut = cut_plan(test::servers(3, 2), planner, CollectiveKind::all_reduce);
    ASSERT_TRUE(cut) << planner << ": " << describe(cut.error());
    for (const auto& stage : cut->stages) {
      for (std::size_t server = 0; server < stage.segments.size(); ++server) {
        for (const auto& operand : stage.segments[server].operands) EXPECT_EQ(cut->servers.of[operand.rank.index()], static_cast<int>(server));
      }
    }
  }
}

TEST(Segments, NothingToMoveIsNoStage) {
  const auto cut = cut_plan(test::servers(2, 1), "ring", CollectiveKind::broadcast, 0);
  ASSERT_TRUE(cut) << describe(cut.error());
  EXPECT_TRUE(cut->stages.empty());
}

// A message that is issued a stage too early would send what has not come yet.
TEST(Segments, ACutThatLosesAnOrderIsRefused) {
  const auto machine = test::servers(3, 1);
  const auto plan = test::plan_on(machine, "ring", CollectiveKind::all_gather);
  ASSERT_TRUE(plan);
  auto steps = segments::stage_steps(plan->schedule, servers_of(machine));
  const auto unordered = segments::schedule_of(plan->schedule, steps);
  ASSERT_TRUE(unordered);
  auto order = segments::order_by_stages(*unordered, steps, false);
  const auto staged = segments::schedule_of(plan->schedule, order.steps);
  ASSERT_TRUE(staged);
  const auto proof = verify(machine, *staged);
  ASSERT_TRUE(proof) << describe(proof.error());
  const auto whole = lower(*staged, *proof, {.elements = 300}, {});
  ASSERT_TRUE(whole);
  EXPECT_TRUE(segments::join_stages(*whole, segments::parts_of(*whole, order), *staged));
  for (auto& time : order.times) time = std::min(time, 1);
  const auto joined = segments::join_stages(*whole, segments::parts_of(*whole, order), *staged);
  ASSERT_FALSE(joined);
  EXPECT_EQ(joined.error().code, ErrorCode::verification_failed);
  EXPECT_NE(joined.error().message.find("no stage and no message says so"), std::string::npos) << joined.error().message;
}

// Every planner and collective, on 2 to 4 servers of 1 to 3 ranks, odd sizes, in place or not: what is planned is cut, and the cut is proved.
TEST(Segments, WhateverIsPlannedIsCutAndProved) {
  int cuts = 0;
  const auto planners = builtin_planners();
  for (const auto& [count, size] : {std::pair{2, 1}, {2, 2}, {3, 2}, {4, 1}, {2, 3}}) {
    const auto machine = test::servers(count, size);
    for (const auto& entry : planners.entries()) {
      if (entry.name == "auto" || entry.name == "latency") continue;  // the first takes one of the others, the second is slow to plan
      for (const auto kind : all_collective_kinds()) {
        for (const bool in_place : {false, true}) {
          PlanContext context;
          context.in_place = in_place;
          const auto plan = test::plan_on(machine, entry.name, make_collective(kind, machine.ranks()), {}, context);
          if (!plan) continue;
          const auto cut = cut_at_servers(machine, plan->schedule, {.elements = 1237, .type = DataType::float16},
                                          {.blocks_per_lane = 2, .slice = 128_B}, in_place);
          EXPECT_TRUE(cut) << entry.name << ' ' << to_string(kind) << ' ' << count << 'x' << size << ": " << describe(cut.error());
          ++cuts;
        }
      }
    }
  }
  EXPECT_GT(cuts, 200);
}

}  // namespace
}  // namespace p2plab::segments_test
