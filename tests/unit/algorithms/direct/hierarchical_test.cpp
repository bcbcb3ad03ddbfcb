// SPDX-License-Identifier: Apache-2.0
// The hierarchical planner moves exactly as many bytes over the ways between islands as theory says, and auto takes the fastest plan.
#include <gtest/gtest.h>

#include "p2plab/schedule/analysis.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::hierarchical_test {
namespace {

using test::plan_on;

// Payloads over the busiest GPU's PCIe port, in the busier direction.
double port_load(const Topology& topology, const Plan& plan) {
  const auto loads = link_loads(topology, plan.schedule);
  double most = 0;
  for (std::size_t l = 0; l < loads.per_link.size(); ++l) {
    if (topology.links()[l].kind == LinkKind::pcie) most = std::max(most, loads.per_link[l]);
  }
  return most;
}

double saving(const Topology& topology) {
  const auto flat = plan_on(topology, "ring", CollectiveKind::all_reduce);
  const auto islands = plan_on(topology, "hierarchical", CollectiveKind::all_reduce);
  return flat && islands ? port_load(topology, *flat) / port_load(topology, *islands) : 0;
}

TEST(Hierarchical, MovesThreeTimesFewerBytesOverThePortThanARingOnTwoPairs) { EXPECT_DOUBLE_EQ(saving(test::islands_over_pcie(2, 2)), 3.0); }
TEST(Hierarchical, MovesSevenThirdsTimesFewerBytesOnFourPairs) { EXPECT_DOUBLE_EQ(saving(test::islands_over_pcie(4, 2)), 7.0 / 3); }
TEST(Hierarchical, MovesSevenTimesFewerBytesOnTwoQuads) { EXPECT_DOUBLE_EQ(saving(test::islands_over_pcie(2, 4)), 7.0); }

TEST(Hierarchical, TakesTwoRoundsPerLevelWithDirectExchanges) {
  const auto topology = test::servers(4, 4);
  const auto plan = plan_on(topology, "hierarchical", CollectiveKind::all_reduce, {{"inside", "direct"}, {"across", "direct"}});
  ASSERT_TRUE(plan);
  EXPECT_EQ(rounds(plan->schedule), 4);
  // Each NIC carries its rail's quarter of the payload, 2 * 3/4 times.
  const auto loads = link_loads(topology, plan->schedule);
  for (const auto id : topology.out_links(*topology.find_node("net"))) EXPECT_DOUBLE_EQ(loads.per_link[id.index()], 1.5 / 4);
}

TEST(Hierarchical, WithRingsTakesTheRoundsOfBothRings) {
  const auto plan = plan_on(test::servers(3, 4), "hierarchical", CollectiveKind::all_reduce, {{"inside", "ring"}, {"across", "ring"}});
  ASSERT_TRUE(plan);
  EXPECT_EQ(rounds(plan->schedule), 2 * 3 + 2 * 2);
}

// Two ranks of an island read, add and send on in one step: a round less, the same bytes, a thread block for each peer and island.
TEST(Hierarchical, ReadingInsideTakesARoundLessAndTheSameBytes) {
  const auto topology = test::servers(4, 4);
  for (const std::size_t fold_from : {std::size_t{1000}, std::size_t{2}}) {
    PlanContext context;
    context.fold_from = fold_from;
    const auto collective = make_collective(CollectiveKind::all_reduce, 16);
    const auto plan = plan_on(topology, "hierarchical", collective, {{"inside", "read"}}, context);
    ASSERT_TRUE(plan) << describe(plan.error());
    EXPECT_EQ(plan->schedule.folding().folded(), fold_from == 2);
    EXPECT_EQ(rounds(plan->schedule), 3);
    EXPECT_EQ(plan->schedule.step_count(), 16U * (4 + 1 + 4));
    const auto loads = link_loads(topology, plan->schedule);
    for (const auto id : topology.out_links(*topology.find_node("net"))) EXPECT_DOUBLE_EQ(loads.per_link[id.index()], 1.5 / 4);
  }
}

// Each thread block sends to 16 islands at most; all add up the same, and the bytes are the same.
TEST(Hierarchical, ReadingInsideSendsToManyIslandsByStepsSideBySide) {
  const auto topology = test::servers(18, 2);
  const auto plan = plan_on(topology, "hierarchical", CollectiveKind::all_reduce, {{"inside", "read"}});
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_EQ(plan->schedule.step_count(), 36U * (18 + 2 + 18));
  EXPECT_EQ(rounds(plan->schedule), 3);
  const auto loads = link_loads(topology, plan->schedule);
  for (const auto id : topology.out_links(*topology.find_node("net"))) EXPECT_DOUBLE_EQ(loads.per_link[id.index()], 2 * 17.0 / 36);
}

TEST(Hierarchical, ReadingInsideServesUnevenIslandsSomeMembersAndSilentOnes) {
  const auto topology = test::servers(3, 3);
  Collective collective{.kind = CollectiveKind::all_reduce, .members = {Rank{8}, Rank{0}, Rank{1}, Rank{4}, Rank{5}, Rank{3}, Rank{7}}};
  EXPECT_TRUE(plan_on(topology, "hierarchical", collective, {{"inside", "read"}}));
  collective.silent = {Rank{4}, Rank{8}};
  EXPECT_TRUE(plan_on(topology, "hierarchical", collective, {{"inside", "read"}}));
}

TEST(Hierarchical, SaysWhatReadingInsideIsFor) {
  const auto gather = plan_on(test::servers(3, 3), "hierarchical", CollectiveKind::all_gather, {{"inside", "read"}});
  ASSERT_FALSE(gather);
  EXPECT_NE(gather.error().message.find("inside=read is for an all_reduce"), std::string::npos) << gather.error().message;
  const auto ring = plan_on(test::servers(3, 3), "hierarchical", CollectiveKind::all_reduce, {{"inside", "read"}, {"across", "ring"}});
  ASSERT_FALSE(ring);
  EXPECT_NE(ring.error().message.find("across=direct"), std::string::npos) << ring.error().message;
}

TEST(Hierarchical, AlongTwoTreesTakesTwiceTheirHeightAndNoMoreBytesThanTheBoundForManyIslands) {
  const auto topology = test::servers(8, 4);
  const auto plan = plan_on(topology, "hierarchical", CollectiveKind::all_reduce, {{"across", "tree"}});
  ASSERT_TRUE(plan);
  EXPECT_EQ(rounds(plan->schedule), 2 + 2 * 3);  // 8 in-order places hang 3 deep
  EXPECT_EQ(plan->schedule.chunks().size(), 4 * 2U);
  // Of a rail's quarter each tree has half: an inner island sends it up once and down twice, a leaf up once.
  const auto loads = link_loads(topology, plan->schedule);
  for (const auto id : topology.out_links(*topology.find_node("net"))) EXPECT_LE(loads.per_link[id.index()], 2.0 / 4 + 1e-12);
}

TEST(Hierarchical, PlansAlongTreesGrowWithTheMembersNotWithTheirSquare) {
  const auto steps = [](int count) {
    const auto plan = plan_on(test::servers(count, 4), "hierarchical", CollectiveKind::all_reduce, {{"across", "tree"}});
    return plan ? plan->schedule.step_count() : 0;
  };
  EXPECT_NEAR(static_cast<double>(steps(16)) / static_cast<double>(steps(8)), 2, 0.1);
}

TEST(Hierarchical, TreesAcrossServeBroadcastAndReduceFromAnyRoot) {
  const auto topology = test::servers(5, 3);
  for (const auto kind : {CollectiveKind::broadcast, CollectiveKind::reduce, CollectiveKind::all_gather, CollectiveKind::reduce_scatter}) {
    EXPECT_TRUE(plan_on(topology, "hierarchical", kind, {{"across", "tree"}}));
  }
}

TEST(Hierarchical, AllGatherSendsEachBlockOnceToEachOtherIsland) {
  const auto topology = test::servers(2, 4);
  const auto plan = plan_on(topology, "hierarchical", CollectiveKind::all_gather);
  ASSERT_TRUE(plan);
  const auto loads = link_loads(topology, plan->schedule);
  for (const auto id : topology.out_links(*topology.find_node("net"))) EXPECT_DOUBLE_EQ(loads.per_link[id.index()], 1.0 / 8);
}

TEST(Hierarchical, BroadcastCrossesEveryRailWithItsShare) {
  const auto topology = test::servers(2, 4);
  for (const auto kind : {CollectiveKind::broadcast, CollectiveKind::reduce}) {
    const auto plan = plan_on(topology, "hierarchical", kind);
    ASSERT_TRUE(plan);
    const auto loads = link_loads(topology, plan->schedule);
    double crossing = 0;
    for (const auto id : topology.out_links(*topology.find_node("net"))) {
      EXPECT_LE(loads.per_link[id.index()], 0.25);
      crossing += loads.per_link[id.index()];
    }
    EXPECT_DOUBLE_EQ(crossing, 1);
  }
}

TEST(Hierarchical, FoldsFrom64RanksOnAndAllReducesFrom192) {
  const auto folds = [](const char* machine, CollectiveKind kind) {
    const auto plan = plan_on(*resolve_topology(machine), "hierarchical", kind);
    EXPECT_TRUE(plan);
    return plan && plan->schedule.folding().folded();
  };
  EXPECT_FALSE(folds("hgx-a100:nodes=7", CollectiveKind::reduce_scatter));
  EXPECT_TRUE(folds("hgx-a100:nodes=8", CollectiveKind::reduce_scatter));
  EXPECT_FALSE(folds("hgx-a100:nodes=16", CollectiveKind::all_reduce));
  EXPECT_TRUE(folds("hgx-a100:nodes=24", CollectiveKind::all_reduce));
}

TEST(Hierarchical, ServesUnevenIslands) {
  // Five ranks of two quads: an island of four and one of one, which takes all four shards.
  const auto topology = test::islands_over_pcie(2, 4);
  auto collective = make_collective(CollectiveKind::all_reduce, 5);
  const auto plan = plan_on(topology, "hierarchical", collective);
  ASSERT_TRUE(plan);
  EXPECT_DOUBLE_EQ(port_load(topology, *plan), 1);
}

TEST(Hierarchical, SaysThatOneSwitchHasNoIslands) {
  const auto plan = plan_on(test::one_switch(8), "hierarchical", CollectiveKind::all_reduce);
  ASSERT_FALSE(plan);
  EXPECT_EQ(describe(plan.error()),
            "error: hierarchical does not do all_reduce: the ranks form no islands on this machine\nnote: tree needs no islands; auto weighs all "
            "planners\n");
}

}  // namespace
}  // namespace p2plab::hierarchical_test
