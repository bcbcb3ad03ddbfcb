// SPDX-License-Identifier: Apache-2.0
// Bounds where switches multicast and reduce: closed forms, and a linear program over all trees of small random machines.
#include <random>

#include <gtest/gtest.h>

#include "bounds/trees/tree_packing.h"
#include "p2plab/bounds/bounds.h"
#include "p2plab/detail/linear_program.h"
#include "p2plab/machine/presets.h"
#include "support/all_trees.h"
#include "support/machines.h"

namespace p2plab::in_network_test {
namespace {

using enum CollectiveKind;
using test::AllTrees;

Bound best_of(const Topology& topology, CollectiveKind kind, const InNetwork& able = {}, Rank root = Rank{0}) {
  auto result = bound(topology, make_collective(kind, topology.ranks(), root), able);
  EXPECT_TRUE(result) << describe(result.error());
  return *result;
}

InNetwork named(const Topology& topology, const std::string& list) {
  auto able = switches_named(topology, list);
  EXPECT_TRUE(able) << describe(able.error());
  return *able;
}

// The most GB/s: of all roots together (all_reduce), or of each.
double best_by_brute_force(const Topology& topology, CollectiveKind kind, const InNetwork& able) {
  std::vector<int> gpus;
  for (int r = 0; r < topology.ranks(); ++r) gpus.push_back(topology.node_of(Rank{r}).value);
  auto roots = gpus;
  if (kind == all_reduce) {
    for (const auto node : able.reduce) roots.push_back(node.value);
  }
  AllTrees out(topology, able.multicast, false);
  AllTrees in(topology, able.reduce, true);
  // Columns: the share of each root (one for all unless they are free), then trees.
  const int shares = kind == all_reduce ? static_cast<int>(roots.size()) : 1;
  std::vector<std::vector<LinearProgram::Term>> of_links(topology.links().size());
  std::vector<std::vector<LinearProgram::Term>> demands;
  int columns = shares;
  for (std::size_t r = 0; r < roots.size(); ++r) {
    for (const bool in_trees : {false, true}) {
      if (kind == (in_trees ? all_gather : reduce_scatter)) continue;
      auto& demand = demands.emplace_back(std::vector<LinearProgram::Term>{{kind == all_reduce ? static_cast<int>(r) : 0, -1}});
      for (const auto& load : (in_trees ? in : out).of(roots[r], gpus)) {
        for (const auto& [link, times] : load) of_links[static_cast<std::size_t>(link)].push_back({columns, static_cast<double>(times)});
        demand.push_back({columns++, 1});
      }
    }
  }
  std::vector<double> objective(static_cast<std::size_t>(columns), 0);
  std::fill_n(objective.begin(), shares, 1.0);
  LinearProgram program(objective, std::vector<double>(objective.size(), LinearProgram::unbounded));
  for (const auto& demand : demands) program.add_row(0, demand, LinearProgram::unbounded);
  for (std::size_t l = 0; l < of_links.size(); ++l) program.add_row(0, of_links[l], topology.links()[l].bandwidth.gbps());
  EXPECT_TRUE(program.solve());
  return program.objective();
}

// Three GPUs and two switches that may be linked; the last link closes a ring, so that all is in reach.
Topology random_machine(std::mt19937& random) {
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  auto builder = test::with_gpus("random", 3);
  for (const auto* name : {"sw0", "sw1"}) builder.add_node({.name = name, .kind = NodeKind::nvswitch});
  const auto link = [&](int a, int b) { builder.add_link({NodeId{a}, NodeId{b}, LinkKind::other, GBps(1 + below(4)), {}}); };
  for (int g = 0; g < 3; ++g) {
    for (int s = 3; s < 5; ++s) {
      if (below(3) > 0) link(g, s);
      if (below(3) > 0) link(s, g);
    }
    if (below(4) == 0) link(g, (g + 2) % 3);
  }
  if (below(2) == 0) link(3, 4);
  if (below(2) == 0) link(4, 3);
  for (int g = 0; g < 3; ++g) link(g, (g + 1) % 3);
  return test::built(std::move(builder));
}

TEST(InNetwork, OnRandomMachinesTheRateIsThatOfAllTreesTogether) {
  std::mt19937 random{7};
  int helped = 0;
  for (int i = 0; i < 15; ++i) {
    const auto machine = random_machine(random);
    const std::vector<NodeId> both{NodeId{3}, NodeId{4}};
    for (const auto& able : {InNetwork{both, both}, InNetwork{both, {}}, InNetwork{{NodeId{3}}, {NodeId{4}}}}) {
      for (const auto kind : {all_reduce, all_gather, reduce_scatter}) {
        const auto plain = best_of(machine, kind);
        const auto best = best_of(machine, kind, able);
        EXPECT_TRUE(best.attained) << i;
        const auto expected = best_by_brute_force(machine, kind, able);
        EXPECT_NEAR(1 / best.inverse_rate.value(), expected, 1e-6 * expected) << i << ' ' << to_string(kind) << ' ' << best.argument;
        EXPECT_LE(best.inverse_rate.value(), plain.inverse_rate.value() * (1 + 1e-8)) << i << ' ' << to_string(kind);
        EXPECT_EQ(best.latency_steps, plain.latency_steps);
        helped += best.inverse_rate.value() < plain.inverse_rate.value() * (1 - 1e-6) ? 1 : 0;
      }
    }
  }
  EXPECT_GT(helped, 3);
}

TEST(InNetwork, ThroughOneSwitchAllReducePassesOnce) {
  for (const int n : {2, 3, 5, 6, 7, 8, 16}) {
    const auto machine = test::one_switch(n, GBps(300));
    const auto able = all_switches(machine);
    EXPECT_EQ(best_of(machine, all_reduce, able).inverse_rate, reduced(1, 300)) << n;
    EXPECT_TRUE(best_of(machine, all_reduce, able).attained) << n;
    EXPECT_EQ(best_of(machine, all_reduce).inverse_rate, reduced(2 * (n - 1), 300 * n)) << n;
    // The receiver's link bounds these, so nothing helps.
    for (const auto kind : {all_gather, reduce_scatter, broadcast, reduce}) {
      EXPECT_EQ(best_of(machine, kind, able).inverse_rate, best_of(machine, kind).inverse_rate) << n << to_string(kind);
      EXPECT_TRUE(best_of(machine, kind, able).attained) << n << to_string(kind);
    }
  }
}

TEST(InNetwork, MulticastAloneOrReducingAloneDoesNotSpeedAllReduceOfEqualGpus) {
  // Multicast: of n GPUs all but the roots' shares send their data to the root one by one, so n - 1 payloads enter GPUs as sums and n - 1 as results.
  const auto machine = test::one_switch(8, GBps(300));
  const auto able = all_switches(machine);
  EXPECT_EQ(best_of(machine, all_reduce, {able.multicast, {}}).inverse_rate, reduced(14, 2400));
  EXPECT_EQ(best_of(machine, all_reduce, {{}, able.reduce}).inverse_rate, reduced(14, 2400));
}

TEST(InNetwork, TwoBoxesAreBoundedByWhatTheirNicsCarryOrByTheBoxThatCannotReduce) {
  const auto machine = make_preset("hgx-a100", {{"nodes", "2"}});
  ASSERT_TRUE(machine);
  // 8 NICs of 25 GB/s carry each server's sum once, each way; whether the network adds too does not matter.
  EXPECT_EQ(best_of(*machine, all_reduce, named(*machine, "all")).inverse_rate, reduced(1, 200));
  EXPECT_EQ(best_of(*machine, all_reduce, named(*machine, "nvswitch")).inverse_rate, reduced(1, 200));
  // Only the first server's switch does: of 9 parts, that server and 8 GPUs, 8 must be entered twice, over 200 + 8 * 325 GB/s.
  EXPECT_EQ(best_of(*machine, all_reduce, named(*machine, "nvswitch0")).inverse_rate, reduced(16, 2800));
  EXPECT_EQ(best_of(*machine, all_reduce).inverse_rate, reduced(30, 5200));
}

TEST(InNetwork, OneRackOf72AndEightBoxesAreSolvedBySymmetry) {
  for (const auto& [name, nodes, gbps] : {std::tuple{"nvl72", "1", 900}, {"hgx-h100", "8", 400}}) {
    const auto machine = make_preset(name, {{"nodes", nodes}});
    ASSERT_TRUE(machine);
    const auto best = best_of(*machine, all_reduce, all_switches(*machine));
    EXPECT_EQ(best.inverse_rate, reduced(1, gbps)) << name;
    EXPECT_TRUE(best.attained) << name;
  }
}

TEST(InNetwork, AGpuThatOnlyRelaysIsCountedExactlyInAllReduce) {
  // n of n + 1 GPUs, all joined at 50 GB/s: n (n - 1) links among them carry trees of 2 (n - 1) links, and 2 n links of the relay one pair of trees
  // with its root there at 50 GB/s.
  for (const int n : {3, 7, 15}) {
    const auto machine = test::full_mesh(n + 1, GBps(50));
    const auto best = bound(machine, make_collective(all_reduce, n));
    ASSERT_TRUE(best);
    EXPECT_EQ(best->inverse_rate, reduced(1, 25 * n + 50)) << best->argument;
    EXPECT_TRUE(best->attained);
  }
}

TEST(InNetwork, MulticastHelpsAllGatherWhereGpusSendLessThanTheyReceive) {
  // Four GPUs at a switch that send at most 100 of 300 GB/s: a block must leave once for each of 3 receivers, or once.
  for (const bool reversed : {false, true}) {
    auto builder = Topology::Builder{"narrow"};
    const auto hub = builder.add_node({.name = "sw", .kind = NodeKind::nvswitch});
    for (int g = 0; g < 4; ++g) {
      Node gpu{.name = "gpu" + std::to_string(g)};
      (reversed ? gpu.ingress : gpu.egress) = GBps(100);
      builder.add_duplex(builder.add_node(gpu), hub, LinkKind::nvlink, GBps(300), Seconds{1e-6});
    }
    const auto machine = test::built(std::move(builder));
    const auto kind = reversed ? reduce_scatter : all_gather;
    EXPECT_EQ(best_of(machine, kind).inverse_rate, reduced(3, 100));
    EXPECT_EQ(best_of(machine, kind, all_switches(machine)).inverse_rate, reduced(1, 100));
  }
}

TEST(InNetwork, GroupsCountOnceForWhatIsMulticast) {
  // Three GPUs whose ways up share one budget of 10 GB/s: each block goes up twice, or once.
  auto builder = test::with_gpus("shared", 3);
  const auto hub = builder.add_node({.name = "sw", .kind = NodeKind::pcie_switch});
  std::vector<LinkId> up;
  for (int g = 0; g < 3; ++g) {
    up.push_back(builder.add_link({NodeId{g}, hub, LinkKind::pcie, GBps(10), {}}));
    builder.add_link({hub, NodeId{g}, LinkKind::pcie, GBps(10), {}});
  }
  builder.add_group({"root", GBps(10), up});
  const auto machine = test::built(std::move(builder));
  EXPECT_EQ(best_of(machine, all_gather).inverse_rate, reduced(6, 10));
  EXPECT_EQ(best_of(machine, all_gather, all_switches(machine)).inverse_rate, reduced(3, 10));
  // All-reduce needs a payload up from each GPU, whatever the switch does.
  EXPECT_EQ(best_of(machine, all_reduce, all_switches(machine)).inverse_rate, reduced(3, 10));
}

TEST(InNetwork, OneWayInAndTwoWaysOutNeedACopyInTheSwitch) {
  for (const bool reversed : {false, true}) {
    auto builder = test::with_gpus("fan", 3);
    const auto hub = builder.add_node({.name = "sw", .kind = NodeKind::nvswitch});
    const auto link = [&](NodeId a, NodeId b) { builder.add_link({reversed ? b : a, reversed ? a : b, LinkKind::other, GBps(1), {}}); };
    link(NodeId{0}, hub);
    link(hub, NodeId{1});
    link(hub, NodeId{2});
    const auto machine = test::built(std::move(builder));
    const auto kind = reversed ? reduce : broadcast;
    EXPECT_EQ(best_of(machine, kind).inverse_rate, reduced(2, 1));
    EXPECT_EQ(best_of(machine, kind, all_switches(machine)).inverse_rate, reduced(1, 1));
    const auto wrong = all_switches(machine);
    EXPECT_EQ(best_of(machine, kind, reversed ? InNetwork{wrong.multicast, {}} : InNetwork{{}, wrong.reduce}).inverse_rate, reduced(2, 1));
  }
}

TEST(InNetwork, MachinesTooLargeForTheTreesOfOneRootAreRefusedBeforeTablesAreMade) {
  Topology::Builder builder("star");
  const auto host = builder.add_node({.name = "host", .kind = NodeKind::host});
  TreeDemand demand;
  for (int g = 0; g < 5000; ++g) {
    const auto gpu = builder.add_node({.name = "gpu" + std::to_string(g)});
    builder.add_duplex(gpu, host, LinkKind::pcie, GBps(25), Seconds{1e-6});
    demand.receivers.push_back(gpu.value);
  }
  demand.hosts_copy = true;
  EXPECT_FALSE(bounds::best_tree_packing(*std::move(builder).build(), demand, 1e12, 1e30));
}

TEST(InNetwork, WhatOnlyCodingCouldReachIsNotPromised) {
  // The butterfly: every cut lets 2 GB/s through, but copies alone carry 3/2 (three trees of five links over nine, two trees on the middle link).
  for (const bool reversed : {false, true}) {
    auto builder = test::with_gpus("butterfly", 3);
    for (const auto* name : {"a", "b", "c", "d"}) builder.add_node({.name = name, .kind = NodeKind::network_switch});
    for (const auto& [a, b] : {std::pair{0, 3}, {0, 4}, {3, 1}, {3, 5}, {4, 2}, {4, 5}, {5, 6}, {6, 1}, {6, 2}})
      builder.add_link({NodeId{reversed ? b : a}, NodeId{reversed ? a : b}, LinkKind::other, GBps(1), {}});
    const auto machine = test::built(std::move(builder));
    const auto best = best_of(machine, reversed ? reduce : broadcast, all_switches(machine));
    EXPECT_EQ(best.inverse_rate, reduced(2, 3)) << best.argument;
    EXPECT_TRUE(best.attained);
    EXPECT_NE(best.argument.find("at these prices of a GB/s all there is costs"), std::string::npos) << best.argument;
  }
}

TEST(InNetwork, SwitchlessMachinesAndPlainTransfersStayAsTheyAre) {
  for (const auto* name : {"dgx-v100", "full-mesh", "ring", "hgx-a100"}) {
    const auto machine = make_preset(name, {});
    ASSERT_TRUE(machine);
    for (const auto kind : all_collective_kinds()) {
      if (machine->ranks() < static_cast<int>(machine->nodes().size()) && in_network_can_help(kind)) continue;
      EXPECT_EQ(best_of(*machine, kind, all_switches(*machine)).inverse_rate, best_of(*machine, kind).inverse_rate) << name << to_string(kind);
    }
  }
  const auto star = test::one_switch(4);
  EXPECT_NE(best_of(star, all_to_all, all_switches(star)).argument.find("cannot help"), std::string::npos);
}

TEST(InNetwork, ListsNameNodesAndKinds) {
  const auto machine = make_preset("hgx-a100", {{"nodes", "2"}});
  ASSERT_TRUE(machine);
  EXPECT_EQ(named(*machine, "all").reduce.size(), 3U);
  EXPECT_EQ(named(*machine, "nvswitch").multicast.size(), 2U);
  EXPECT_EQ(named(*machine, "net0,nvswitch1").multicast.size(), 2U);
  EXPECT_EQ(switches_named(*machine, "gpu0").error().message, "gpu0 is a GPU, which copies and adds anyway; name switches");
  EXPECT_EQ(switches_named(*machine, "pcie_switch").error().message, "hgx-a100 has no node of kind pcie_switch");
  EXPECT_EQ(switches_named(*machine, "nvswitch0,").error().message, "unknown switch ''");
  const auto wrong = bound(*machine, make_collective(all_reduce, 16), {{machine->node_of(Rank{3})}, {}});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message, "gpu3 is a GPU, which copies and adds anyway; name switches");
}

}  // namespace
}  // namespace p2plab::in_network_test
