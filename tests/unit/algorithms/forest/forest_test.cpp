// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <gtest/gtest.h>

#include "forest/cuts/edge_disjoint_packing.h"
#include "p2plab/bounds/bounds.h"
#include "p2plab/machine/presets.h"
#include "p2plab/schedule/analysis.h"
#include "support/ideal_time.h"
#include "support/optima.h"
#include "support/plans.h"
#include "support/random_topology.h"

namespace p2plab::forest_test {
namespace {

Topology star(int gpus) {
  Topology::Builder builder("star");
  const auto hub = builder.add_node({.name = "sw", .kind = NodeKind::nvswitch});
  for (int g = 0; g < gpus; ++g) {
    builder.add_duplex(builder.add_node({.name = "gpu" + std::to_string(g)}), hub, LinkKind::nvlink, GBps(300), Seconds{1e-6});
  }
  return *std::move(builder).build();
}

// The bandwidth that the plan's link loads allow, over the bound's.
double optimality(const Topology& machine, const Collective& collective, const Schedule& schedule) {
  const auto best = bound(machine, collective);
  EXPECT_TRUE(best);
  return bottleneck(machine, link_loads(machine, schedule)).algbw_gbps() / best->algbw_gbps();
}

// Simulated without latencies the plan takes at most 1 % more than the bound, each tree in as many slices and each step on a lane of its own. Slices
// are as many as filling the trees needs, no more.
void expect_time_of_bound(const Topology& machine, const Schedule& schedule) {
  constexpr double most = 1.01;
  double over = 0;
  for (const int slices : {32, 64, 128, 256}) {
    over = test::time_over_bound(machine, schedule, {.slices = slices, .lane_per_step = true});
    if (over <= most) break;
  }
  EXPECT_LE(over, most) << machine.name() << " " << to_string(schedule.collective().kind);
}

constexpr std::array tree_kinds{CollectiveKind::all_gather, CollectiveKind::reduce_scatter, CollectiveKind::broadcast, CollectiveKind::reduce};

TEST(Forest, OneSwitchIsOneRound) {
  for (const int n : {2, 3, 5, 6, 7, 8, 16}) {
    const auto machine = star(n);
    const auto plan = test::plan_on(machine, "forest", CollectiveKind::all_gather);
    ASSERT_TRUE(plan) << describe(plan.error());
    EXPECT_EQ(rounds(plan->schedule), 1) << n;
    EXPECT_DOUBLE_EQ(optimality(machine, make_collective(CollectiveKind::all_gather, n), plan->schedule), 1) << n;
  }
}

TEST(Forest, OneGpuNeedsNoTransfer) {
  const auto plan = test::plan_on(star(1), "forest", CollectiveKind::all_reduce);
  ASSERT_TRUE(plan);
  EXPECT_EQ(rounds(plan->schedule), 0);
}

TEST(Forest, FewTreesCostBandwidthButVerify) {
  if (test::optima().empty()) GTEST_SKIP() << "no reference optima in " << test::reference_optima();
  for (const auto* trees : {"1", "2", "4"}) {
    for (const auto& row : test::optima()) {
      const auto machine = test::reference_machine(row.name);
      const auto plan = test::plan_on(machine, "forest", CollectiveKind::all_gather, {{"trees", trees}});
      ASSERT_TRUE(plan) << row.name << describe(plan.error());
      const auto share = optimality(machine, make_collective(CollectiveKind::all_gather, machine.ranks()), plan->schedule);
      EXPECT_LE(share, 1 + 1e-9) << row.name;
      EXPECT_GE(share, 0.5) << row.name;  // one tree a root at twice the least time always fits
    }
  }
}

TEST(Forest, IsOptimalOnEveryReferenceMachineByLoadsAndInTime) {
  const auto rows = test::optima();
  if (rows.empty()) GTEST_SKIP() << "no reference optima in " << test::reference_optima();
  for (const auto& row : rows) {
    const auto machine = test::reference_machine(row.name);
    for (const auto kind : tree_kinds) {
      const auto plan = test::plan_on(machine, "forest", kind);
      ASSERT_TRUE(plan) << row.name << " " << to_string(kind) << describe(plan.error());
      EXPECT_NEAR(optimality(machine, make_collective(kind, machine.ranks()), plan->schedule), 1, 1e-9) << row.name << " " << to_string(kind);
      if (!rooted(kind)) expect_time_of_bound(machine, plan->schedule);
    }
  }
}

TEST(Forest, AllReduceMeetsTheLinearProgramOnEveryReferenceMachine) {
  const auto rows = test::optima();
  if (rows.empty()) GTEST_SKIP() << "no reference optima in " << test::reference_optima();
  for (const auto& row : rows) {
    const auto machine = test::reference_machine(row.name);
    const auto plan = test::plan_on(machine, "forest", CollectiveKind::all_reduce);
    ASSERT_TRUE(plan) << row.name << describe(plan.error());
    EXPECT_NEAR(optimality(machine, make_collective(CollectiveKind::all_reduce, machine.ranks()), plan->schedule), 1, 1e-7) << row.name;
    expect_time_of_bound(machine, plan->schedule);
  }
}

// Trees of unequal weights, and GPUs that relay.
TEST(Forest, TakesTheTimeOfTheBoundOnUnevenMachines) {
  for (const auto* name : {"dgx-v100", "dgx-v100:gpus=7", "mesh:dims=3x2", "mi250x"}) {
    const auto machine = *resolve_topology(name);
    for (const auto kind : {CollectiveKind::all_gather, CollectiveKind::reduce_scatter, CollectiveKind::all_reduce}) {
      const auto plan = test::plan_on(machine, "forest", kind);
      ASSERT_TRUE(plan) << name << describe(plan.error());
      expect_time_of_bound(machine, plan->schedule);
    }
  }
}

// Slices of equal bytes on shared lanes: a light tree gets as much of a link as a heavy one, and what is at hand stands behind what is to come.
TEST(Forest, SlicesOfEqualBytesTakeLongerThanAsManyOfEachTree) {
  const auto machine = *make_preset("dgx-v100", {{"gpus", "7"}});
  const auto plan = test::plan_on(machine, "forest", CollectiveKind::all_gather);
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_GT(test::time_over_bound(machine, plan->schedule, {.slice = 256_KiB}), 1.15);
}

bool has_switches(const Topology& machine) {
  return std::ranges::any_of(machine.nodes(), [](const Node& node) { return node.kind != NodeKind::gpu; });
}

// Where there are switches, the trees are at most half as high as those of ForestColl; they are never higher.
TEST(Forest, IsAtMostHalfAsHighAsForestCollOnSwitches) {
  if (test::optima().empty()) GTEST_SKIP() << "no reference optima in " << test::reference_optima();
  for (const auto& row : test::optima()) {
    const auto machine = test::reference_machine(row.name);
    const auto plan = test::plan_on(machine, "forest", CollectiveKind::all_gather);
    ASSERT_TRUE(plan) << row.name << describe(plan.error());
    EXPECT_LE(rounds(plan->schedule) * (has_switches(machine) ? 2 : 1), row.forestcoll_height) << row.name;
  }
}

// One shard enters each other server once (7 of 8 servers through 8 NICs of 25 GB/s) and is spread there: two rounds, one tree a root.
TEST(Forest, SixtyFourGpusInBoxesTakeTwoRounds) {
  const auto machine = *make_preset("dgx-a100", {{"nodes", "8"}});
  const auto plan = test::plan_on(machine, "forest", CollectiveKind::all_gather);
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_EQ(rounds(plan->schedule), 2);
  EXPECT_EQ(plan->schedule.chunks().size(), 64U);
  EXPECT_DOUBLE_EQ(optimality(machine, make_collective(CollectiveKind::all_gather, 64), plan->schedule), 1);
}

// Two GPUs over a bus that carries one direction at a time; a mesh whose GPUs send at most 15 of 30 GB/s; a switch with one link in and two out.
TEST(Forest, BudgetsAreSharedOutAtTheOptimum) {
  std::vector<Topology> machines;
  Topology::Builder bus("bus");
  const auto a = bus.add_node({.name = "gpu0"});
  const auto b = bus.add_node({.name = "gpu1"});
  const auto there = bus.add_link({a, b, LinkKind::pcie, GBps(10), {}});
  bus.add_group({"bus", GBps(10), {there, bus.add_link({b, a, LinkKind::pcie, GBps(5), {}})}});
  machines.push_back(*std::move(bus).build());
  Topology::Builder mesh("mesh");
  for (int g = 0; g < 4; ++g) mesh.add_node({.name = "gpu" + std::to_string(g), .egress = GBps(15)});
  for (int g = 0; g < 4; ++g) {
    for (int h = 0; h < 4; ++h) {
      if (g != h) mesh.add_link({NodeId{g}, NodeId{h}, LinkKind::nvlink, GBps(10), {}});
    }
  }
  machines.push_back(*std::move(mesh).build());
  Topology::Builder fan("fan");
  const auto hub = fan.add_node({.name = "sw", .kind = NodeKind::nvswitch});
  for (int g = 0; g < 3; ++g) {
    const auto gpu = fan.add_node({.name = "gpu" + std::to_string(g)});
    fan.add_link({gpu, hub, LinkKind::other, GBps(g == 0 ? 4 : 1), {}});
    fan.add_link({hub, gpu, LinkKind::other, GBps(3), {}});
  }
  machines.push_back(*std::move(fan).build());
  for (const auto& machine : machines) {
    for (const auto kind : {CollectiveKind::all_gather, CollectiveKind::broadcast, CollectiveKind::reduce_scatter, CollectiveKind::all_reduce}) {
      const auto plan = test::plan_on(machine, "forest", kind);
      ASSERT_TRUE(plan) << machine.name() << describe(plan.error());
      EXPECT_NEAR(optimality(machine, make_collective(kind, machine.ranks()), plan->schedule), 1, 1e-7) << machine.name() << " " << to_string(kind);
    }
  }
}

// To pack as many as the optimum needs took half a minute, and what came out by then was slower than one tree.
TEST(Forest, OneRootAmongManyHasAFewTrees) {
  const auto torus = *make_preset("torus", {{"dims", "14x14"}});
  for (const auto kind : {CollectiveKind::broadcast, CollectiveKind::reduce}) {
    const auto plan = test::plan_on(torus, "forest", kind);
    ASSERT_TRUE(plan) << describe(plan.error());
    EXPECT_LE(plan->schedule.chunks().size(), 8U);
  }
  const auto servers = test::plan_on(*make_preset("hgx-a100", {{"nodes", "25"}}), "forest", CollectiveKind::broadcast);
  ASSERT_FALSE(servers);
  EXPECT_NE(describe(servers.error()).find("use hierarchical"), std::string::npos) << describe(servers.error());
}

// Two GPUs of a DGX-1 without a link between them have 150 GB/s each over the others, and no GPU needs the data of the four in every tree.
TEST(Forest, GpusOutsideAGroupRelayInTheTreesThatTheySuit) {
  const auto machine = *make_preset("dgx-v100", {});
  const auto group = [&](CollectiveKind kind, const std::vector<int>& ranks) {
    Collective collective{.kind = kind, .members = {}, .root = Rank{ranks.front()}};
    for (const int r : ranks) collective.members.emplace_back(r);
    const auto plan = test::plan_on(machine, "forest", collective);
    EXPECT_TRUE(plan) << describe(plan.error());
    return bottleneck(machine, link_loads(machine, plan->schedule)).algbw_gbps();
  };
  EXPECT_NEAR(group(CollectiveKind::all_gather, {0, 5}), 300, 1e-4);
  EXPECT_NEAR(group(CollectiveKind::reduce_scatter, {0, 5, 7}), 225, 1e-4);
  EXPECT_NEAR(group(CollectiveKind::broadcast, {1, 2, 4, 7}), 150, 1e-4);
  EXPECT_NEAR(group(CollectiveKind::reduce, {1, 2, 4, 7}), 150, 1e-4);
  EXPECT_NEAR(group(CollectiveKind::all_reduce, {0, 5}), 150, 1e-4);
  EXPECT_NEAR(group(CollectiveKind::all_reduce, {1, 2, 4, 7}),
              bound(machine, {.kind = CollectiveKind::all_reduce, .members = {Rank{1}, Rank{2}, Rank{4}, Rank{7}}})->algbw_gbps(), 1e-4);
}

// GPU 2 only receives: nothing leaves it, and the error says so.
TEST(Forest, AGpuThatCannotSendIsNamedWithItsCut) {
  Topology::Builder builder("dead end");
  for (int g = 0; g < 3; ++g) builder.add_node({.name = "gpu" + std::to_string(g)});
  builder.add_duplex(NodeId{0}, NodeId{1}, LinkKind::nvlink, GBps(25), Seconds{1e-6});
  builder.add_link({NodeId{1}, NodeId{2}, LinkKind::nvlink, GBps(25), Seconds{1e-6}});
  const auto machine = *std::move(builder).build();
  for (const auto kind : {CollectiveKind::all_gather, CollectiveKind::reduce_scatter, CollectiveKind::all_reduce}) {
    const auto plan = test::plan_on(machine, "forest", kind);
    ASSERT_FALSE(plan) << to_string(kind);
    EXPECT_EQ(plan.error().code, ErrorCode::unsupported);
    EXPECT_NE(describe(plan.error()).find("no link leads out of {gpu2}"), std::string::npos) << describe(plan.error());
  }
}

// Without time the plan is the best so far: it verifies, and its reason states the gap.
TEST(Forest, ADeadlineGivesThePlanAtHand) {
  const auto machine = *make_preset("mi250x", {});
  PlanContext context;
  context.time_limit = Seconds{0};
  const auto collective = make_collective(CollectiveKind::all_gather, machine.ranks());
  const auto plan = test::plan_on(machine, "forest", collective, {}, context);
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_LT(optimality(machine, collective, plan->schedule), 1);
  EXPECT_NE(plan->reason.find("% of the bound"), std::string::npos) << plan->reason;
}

TEST(Forest, FewTreesStateTheirLoss) {
  const auto machine = *make_preset("dgx-v100", {});
  const auto collective = make_collective(CollectiveKind::all_gather, 8);
  const auto plan = test::plan_on(machine, "forest", collective, {{"trees", "1"}});
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_LT(optimality(machine, collective, plan->schedule), 1);
  EXPECT_NE(plan->reason.find("% of the bound"), std::string::npos) << plan->reason;
}

// Two trees from GPU 0 and one from GPU 2 need every arc. The arcs without capacity are of links too narrow for one tree: they are not room.
TEST(Forest, LinksTooNarrowForATreeBesideWiderOnesAreNotTakenForRoom) {
  const ForestProblem problem{.vertices = 3,
                              .arcs = {{0, 1, 1, {LinkId{0}}},
                                       {0, 2, 0, {LinkId{1}}},
                                       {0, 2, 1, {LinkId{2}}},
                                       {1, 0, 0, {LinkId{3}}},
                                       {1, 0, 1, {LinkId{4}}},
                                       {1, 2, 1, {LinkId{5}}},
                                       {2, 1, 2, {LinkId{6}}}},
                              .trees = {2, 0, 1},
                              .terminals = {0, 1, 2}};
  ASSERT_TRUE(feasible(problem));
  std::int64_t trees = 0;
  const auto packed = pack_trees(problem);
  for (const auto& tree : packed.trees) {
    trees += tree.count;
    EXPECT_EQ(tree.edges.size(), 2U);
  }
  EXPECT_EQ(trees, 3);
}

TEST(Forest, PlansRandomMachinesAsWellAsCutsAllow) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const auto machine = test::RandomTopology{seed}.make();
    for (const auto kind : tree_kinds) {
      const auto collective = make_collective(kind, machine.ranks());
      if (!bound(machine, collective)) continue;
      const auto plan = test::plan_on(machine, "forest", kind);
      ASSERT_TRUE(plan) << seed << " " << to_string(kind) << describe(plan.error());
      EXPECT_LE(optimality(machine, collective, plan->schedule), 1 + 1e-9) << seed << " " << to_string(kind);
      // The bound lets hosts send on more than once what they got; these plans keep nothing in host memory.
      const bool hosts = std::ranges::any_of(machine.nodes(), [](const Node& n) { return n.kind == NodeKind::host; });
      EXPECT_GE(optimality(machine, collective, plan->schedule), hosts ? 0.5 : 0.99) << seed << " " << to_string(kind);
    }
  }
}

}  // namespace
}  // namespace p2plab::forest_test
