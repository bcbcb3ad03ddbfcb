// SPDX-License-Identifier: Apache-2.0
// The tree planner finds low trees along wide links, and its plans have the rounds and loads of theory.
#include <gtest/gtest.h>

#include "p2plab/schedule/analysis.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::tree_test {
namespace {

using test::plan_on;

double algbw(const Topology& topology, const Plan& plan) { return bottleneck(topology, link_loads(topology, plan.schedule)).algbw_gbps(); }

TEST(Tree, ABinaryTreeOfSevenHasHeightTwoAndAllReduceTakesTwiceThat) {
  const auto topology = test::one_switch(7);
  const auto all_reduce = plan_on(topology, "tree", CollectiveKind::all_reduce, {{"arity", "2"}});
  ASSERT_TRUE(all_reduce);
  EXPECT_EQ(rounds(all_reduce->schedule), 4);
  // An inner member takes in two payloads from its children and one from its parent.
  EXPECT_NEAR(algbw(topology, *all_reduce), 100.0 / 3, 1e-9);
  const auto broadcast = plan_on(topology, "tree", CollectiveKind::broadcast, {{"arity", "2"}});
  ASSERT_TRUE(broadcast);
  EXPECT_EQ(rounds(broadcast->schedule), 2);
}

TEST(Tree, TwoTreesLoadEveryMemberWithAtMostTwoPayloadsInLogarithmicallyManyRounds) {
  for (const int n : {2, 3, 4, 5, 6, 7, 8, 12, 16, 31, 64}) {
    const auto topology = test::one_switch(n);
    const auto plan = plan_on(topology, "tree", CollectiveKind::all_reduce, {{"trees", "2"}});
    ASSERT_TRUE(plan) << n;
    for (const auto load : link_loads(topology, plan->schedule).per_link) EXPECT_LE(load, 2 + 1e-12) << n;
    int log = 0;
    while ((1 << log) < n) ++log;
    EXPECT_LE(rounds(plan->schedule), 2 * (log + 1)) << n;
  }
}

TEST(Tree, LargePayloadsGetNoMoreThanTwoPayloadsPerMember) {
  const auto topology = test::one_switch(16);
  PlanContext context;
  context.payload.elements = 256 << 20;
  const auto plan = plan_on(topology, "tree", make_collective(CollectiveKind::all_reduce, 16), {}, context);
  ASSERT_TRUE(plan);
  EXPECT_GE(algbw(topology, *plan), 50 - 1e-9);
}

TEST(Tree, UsesOnlyTheWidestLinksThatSpan) {
  // Five GPUs of a DGX-1: no ring exists, but a tree of NVLinks does, and PCIe stays idle.
  const auto topology = test::dgx1(5, true, true);
  const auto plan = plan_on(topology, "tree", CollectiveKind::all_reduce);
  ASSERT_TRUE(plan);
  const auto loads = link_loads(topology, plan->schedule);
  for (std::size_t l = 0; l < loads.per_link.size(); ++l) {
    EXPECT_TRUE(topology.links()[l].kind != LinkKind::pcie || loads.per_link[l] == 0) << l;
  }
  EXPECT_GE(algbw(topology, *plan), 25 - 1e-9);
}

TEST(Tree, CrossesTheNetworkOncePerBoxAndDirection) {
  const auto topology = test::servers(4, 8);
  const auto plan = plan_on(topology, "tree", CollectiveKind::broadcast, {{"trees", "1"}, {"arity", "2"}});
  ASSERT_TRUE(plan);
  const auto loads = link_loads(topology, plan->schedule);
  double crossings = 0;
  for (const auto id : topology.out_links(*topology.find_node("net"))) crossings += loads.per_link[id.index()];
  EXPECT_NEAR(crossings, 3, 1e-9);
}

TEST(Tree, GatherAndScatterAreBinomialOnASwitch) {
  const auto topology = test::one_switch(8);
  for (const auto kind : {CollectiveKind::gather, CollectiveKind::scatter}) {
    const auto plan = plan_on(topology, "tree", kind);
    ASSERT_TRUE(plan);
    EXPECT_LE(rounds(plan->schedule), 3);
    // The root's port passes every block but its own once.
    EXPECT_NEAR(algbw(topology, *plan), 100.0 * 8 / 7, 1e-9);
  }
}

TEST(Tree, IsAChainOnALine) {
  const auto topology = test::line(6);
  const auto plan = plan_on(topology, "tree", CollectiveKind::broadcast);
  ASSERT_TRUE(plan);
  EXPECT_EQ(rounds(plan->schedule), 5);
  EXPECT_NEAR(algbw(topology, *plan), 25, 1e-9);
}

TEST(Tree, AllGatherAndReduceScatterSendEachBlockOverEveryEdgeOnce) {
  const auto topology = test::line(5);
  for (const auto kind : {CollectiveKind::all_gather, CollectiveKind::reduce_scatter}) {
    const auto plan = plan_on(topology, "tree", kind);
    ASSERT_TRUE(plan);
    EXPECT_EQ(rounds(plan->schedule), 4);
    double sum = 0;
    for (const auto load : link_loads(topology, plan->schedule).per_link) sum += load;
    EXPECT_NEAR(sum, 4, 1e-12);  // 5 blocks of 1/5 over 4 edges
  }
}

TEST(Tree, SaysThatMembersAreNotJoined) {
  const auto plan = plan_on(test::meshed(4, {{0, 1, 1}, {2, 3, 1}}), "tree", CollectiveKind::all_reduce);
  ASSERT_FALSE(plan);
  EXPECT_EQ(describe(plan.error()),
            "error: no tree spans the 4 ranks: some are not joined both ways even through others\n"
            "note: `p2plab topo show` draws the links; take ranks that are joined, with --ranks\n");
}

}  // namespace
}  // namespace p2plab::tree_test
