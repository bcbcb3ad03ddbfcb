// SPDX-License-Identifier: Apache-2.0
// The planners without a search have exactly the rounds and loads of theory on uniform machines.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>

#include "p2plab/schedule/analysis.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::direct_planners_test {
namespace {

using test::plan_on;
using enum CollectiveKind;

struct Costs {
  int rounds = -1;
  double most = -1;   // payloads over the busiest link
  double least = -1;  // and over the idlest
};

Costs costs(int n, const std::string& planner, CollectiveKind kind, const Parameters& parameters = {}) {
  const auto topology = test::one_switch(n);
  const auto plan = plan_on(topology, planner, kind, parameters);
  if (!plan) return {};
  const auto loads = link_loads(topology, plan->schedule).per_link;
  return {rounds(plan->schedule), std::ranges::max(loads), std::ranges::min(loads)};
}

// On test::one_switch GPU i has the links 2i to the switch and 2i + 1 from it.
double sent(const LinkLoads& loads, std::size_t gpu) { return loads.per_link[2 * gpu]; }
double received(const LinkLoads& loads, std::size_t gpu) { return loads.per_link[2 * gpu + 1]; }

int log_up(int n) {
  int log = 0;
  while ((1 << log) < n) ++log;
  return log;
}

// 6 * 5 pairs: the plan is not made where fewer steps are looked at.
TEST(Planners, OfOneStepForEachPairSayEarlyThatTheyAreTooLong) {
  const auto topology = test::servers(2, 3);
  PlanContext context;
  context.most_steps = 29;
  const auto collective = make_collective(CollectiveKind::all_reduce, 6);
  for (const auto* planner : {"bruck", "two_shot", "hierarchical", "forest"}) {
    const auto plan = test::plan_on(topology, planner, collective, {}, context);
    ASSERT_FALSE(plan) << planner;
    EXPECT_EQ(plan.error().message, std::string(planner) + " would take 30 steps or more, beyond the 29 that are looked at");
  }
  EXPECT_TRUE(test::plan_on(topology, "tree", collective, {}, context));
  // By few steps with many operands: as long.
  for (const auto kind : {CollectiveKind::broadcast, CollectiveKind::reduce})
    EXPECT_FALSE(test::plan_on(topology, "two_shot", make_collective(kind, 6), {}, context));
}

TEST(OneShot, AllReduceTakesOneRoundAndNMinusOnePayloadsEitherWay) {
  for (const int n : {2, 3, 5, 8, 16}) {
    for (const auto* mode : {"pull", "push"}) {
      const auto c = costs(n, "one_shot", all_reduce, {{"mode", mode}});
      EXPECT_EQ(c.rounds, 1) << n;
      EXPECT_DOUBLE_EQ(c.most, n - 1) << n;
      EXPECT_DOUBLE_EQ(c.least, n - 1) << n;
    }
  }
}

TEST(OneShot, PushesASingleGiversBlockStraightIntoTheOutputs) {
  const auto plan = plan_on(test::one_switch(5), "one_shot", all_gather, {{"mode", "push"}});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->schedule.step_count(), 5U);
  EXPECT_EQ(plan->schedule.slots(Rank{0}, Buffer::scratch), 0);
}

TEST(OneShot, SaysWhichPathIsMissing) {
  const auto plan = plan_on(test::line(3), "one_shot", all_reduce);
  ASSERT_FALSE(plan);
  EXPECT_EQ(describe(plan.error()),
            "error: one_shot sends from rank 0 to rank 2, but no path leads from gpu0 to gpu2 without passing another GPU\n"
            "note: use auto: tree, and ring where there is one, send between neighbours only\n");
}

TEST(TwoShot, AllReduceMovesTheLeastBytesInTwoRoundsOrOneStep) {
  for (const int n : {2, 3, 5, 8, 16}) {
    for (const auto* mode : {"push", "pull", "direct"}) {
      const auto c = costs(n, "two_shot", all_reduce, {{"mode", mode}});
      EXPECT_EQ(c.rounds, mode == std::string{"direct"} ? 1 : 2) << n << mode;
      EXPECT_NEAR(c.most, 2.0 * (n - 1) / n, 1e-12) << n << mode;
      EXPECT_NEAR(c.least, 2.0 * (n - 1) / n, 1e-12) << n << mode;
    }
  }
}

TEST(TwoShot, HalvesTakeOneRound) {
  for (const auto kind : {reduce_scatter, all_gather}) {
    for (const auto* mode : {"push", "pull", "direct"}) {
      const auto c = costs(6, "two_shot", kind, {{"mode", mode}});
      EXPECT_EQ(c.rounds, 1);
      EXPECT_NEAR(c.most, 5.0 / 6, 1e-12);
    }
  }
}

TEST(TwoShot, BroadcastAndReduceMoveOnePayloadOverTheRootsPort) {
  const auto topology = test::one_switch(5);
  for (const auto kind : {broadcast, reduce}) {
    const auto plan = plan_on(topology, "two_shot", kind);
    ASSERT_TRUE(plan);
    EXPECT_EQ(rounds(plan->schedule), 2);
    const auto loads = link_loads(topology, plan->schedule);
    EXPECT_NEAR(sent(loads, 0) + received(loads, 0), kind == broadcast ? 1 : 2, 1e-12);
    EXPECT_NEAR(std::ranges::max(loads.per_link), 1, 1e-12);
  }
}

// In ceil(log2 n) rounds a block goes over as many hops as its distance has ones in binary: at most floor(log2 n), since distances are below n.
TEST(Bruck, NoBlockWaitsForMoreThanFloorLogHopsAndBytesAreLeastForAnyNumberOfRanks) {
  for (const int n : {2, 3, 5, 6, 7, 8, 13, 16}) {
    const int hops = static_cast<int>(std::bit_width(static_cast<unsigned>(n))) - 1;
    for (const auto kind : {all_gather, reduce_scatter, all_to_all}) EXPECT_EQ(costs(n, "bruck", kind).rounds, hops) << n;
    EXPECT_NEAR(costs(n, "bruck", all_gather).most, (n - 1.0) / n, 1e-12) << n;
    EXPECT_NEAR(costs(n, "bruck", reduce_scatter).most, (n - 1.0) / n, 1e-12) << n;
    EXPECT_LE(costs(n, "bruck", all_reduce).rounds, 2 * log_up(n)) << n;
    EXPECT_NEAR(costs(n, "bruck", all_reduce).most, 2 * (n - 1.0) / n, 1e-12) << n;
  }
  // Distances 1 to 7 have 12 ones in all; each member sends a block of 1/8 of its buffer for every one of them.
  EXPECT_NEAR(costs(8, "bruck", all_to_all).most, 12.0 / 8, 1e-12);
}

TEST(HalvingDoubling, TakesTwiceLogRoundsAndTheLeastBytesForPowersOfTwo) {
  for (const int n : {2, 4, 8, 16, 32}) {
    const auto c = costs(n, "halving_doubling", all_reduce);
    EXPECT_EQ(c.rounds, 2 * log_up(n)) << n;
    EXPECT_NEAR(c.most, 2 * (n - 1.0) / n, 1e-12) << n;
    EXPECT_NEAR(c.least, 2 * (n - 1.0) / n, 1e-12) << n;
    EXPECT_EQ(costs(n, "halving_doubling", all_gather).rounds, log_up(n)) << n;
    EXPECT_EQ(costs(n, "halving_doubling", reduce_scatter).rounds, log_up(n)) << n;
  }
}

TEST(HalvingDoubling, FoldsOtherNumbersInWithTwoMoreRounds) {
  for (const int n : {3, 5, 6, 7, 12}) {
    const int core = 1 << (log_up(n) - 1);
    const auto c = costs(n, "halving_doubling", all_reduce);
    EXPECT_EQ(c.rounds, 2 * (log_up(n) - 1) + 2) << n;
    EXPECT_NEAR(c.most, 1 + 2 * (core - 1.0) / core, 1e-12) << n;
  }
}

TEST(HalvingDoubling, DoublingExchangesWholePayloadsInLogRounds) {
  for (const int n : {2, 4, 8, 16}) {
    const auto c = costs(n, "halving_doubling", all_reduce, {{"exchange", "doubling"}});
    EXPECT_EQ(c.rounds, log_up(n)) << n;
    EXPECT_DOUBLE_EQ(c.most, log_up(n)) << n;
  }
}

TEST(Pairwise, MovesEachBlockOnceInOneRoundOfIndependentSends) {
  for (const int n : {2, 3, 8}) {
    const auto c = costs(n, "pairwise", all_to_all);
    EXPECT_EQ(c.rounds, 1) << n;
    EXPECT_NEAR(c.most, (n - 1.0) / n, 1e-12) << n;
    EXPECT_NEAR(c.least, (n - 1.0) / n, 1e-12) << n;
  }
  EXPECT_NEAR(costs(8, "pairwise", gather).most, 7.0 / 8, 1e-12);
  EXPECT_NEAR(costs(8, "pairwise", scatter).most, 7.0 / 8, 1e-12);
}

TEST(DirectPlanners, SilentMembersSendNothingAndStillReceive) {
  const auto topology = test::one_switch(4);
  auto collective = make_collective(all_reduce, 4);
  collective.silent = {Rank{1}, Rank{2}};
  const auto plan = plan_on(topology, "one_shot", collective, {{"mode", "push"}});
  ASSERT_TRUE(plan);
  const auto loads = link_loads(topology, plan->schedule);
  EXPECT_EQ(sent(loads, 1), 0);
  EXPECT_EQ(sent(loads, 2), 0);
  EXPECT_EQ(received(loads, 1), 2);
}

TEST(DirectPlanners, UnevenSharesAreMovedAsTheyAre) {
  const auto topology = test::one_switch(3);
  auto collective = make_collective(all_gather, 3);
  collective.shares = {1, 2, 5};
  for (const auto* planner : {"bruck", "two_shot", "pairwise", "one_shot"}) {
    const auto plan = plan_on(topology, planner, collective);
    ASSERT_TRUE(plan) << planner;
    const auto loads = link_loads(topology, plan->schedule);
    EXPECT_NEAR(received(loads, 0), 7.0 / 8, 1e-12) << planner;
    EXPECT_NEAR(received(loads, 2), 3.0 / 8, 1e-12) << planner;
  }
}

}  // namespace
}  // namespace p2plab::direct_planners_test
