// SPDX-License-Identifier: Apache-2.0
#include "p2plab/bounds/bounds.h"

#include <random>

#include <gtest/gtest.h>

#include "support/optima.h"

namespace p2plab::bounds_test {
namespace {

Bound bound_of(const Topology& topology, CollectiveKind kind, Rank root = Rank{0}) {
  auto result = bound(topology, make_collective(kind, topology.ranks(), root));
  EXPECT_TRUE(result) << describe(result.error());
  return *result;
}

Topology star(int gpus, double gbps) {
  Topology::Builder builder("star");
  const auto hub = builder.add_node({.name = "sw", .kind = NodeKind::nvswitch});
  for (int g = 0; g < gpus; ++g) {
    builder.add_duplex(builder.add_node({.name = "gpu" + std::to_string(g)}), hub, LinkKind::nvlink, GBps(gbps), Seconds{1e-6});
  }
  return *std::move(builder).build();
}

// Random one-way links of 1 to 9 GB/s, after a ring that reaches everyone; the last node is a switch with as much in as out if asked for.
Topology random_machine(unsigned seed, int nodes, bool with_switch) {
  std::mt19937 random{seed};
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  Topology::Builder builder("random");
  std::vector<NodeId> ids;
  for (int n = 0; n < nodes; ++n) {
    const bool hub = with_switch && n == nodes - 1;
    ids.push_back(builder.add_node({.name = "n" + std::to_string(n), .kind = hub ? NodeKind::nvswitch : NodeKind::gpu}));
  }
  const int gpus = with_switch ? nodes - 1 : nodes;
  const auto link = [&](int a, int b) {
    builder.add_link({ids[static_cast<std::size_t>(a)], ids[static_cast<std::size_t>(b)], LinkKind::other, GBps(1 + below(9)), {}});
  };
  for (int n = 0; n < gpus; ++n) link(n, (n + 1) % gpus);
  for (int i = 0; i < nodes; ++i) {
    const int a = below(gpus);
    const int b = below(gpus);
    if (a != b) link(a, b);
  }
  for (int n = 0; with_switch && n < gpus; ++n) {
    if (below(3) > 0) builder.add_duplex(ids[static_cast<std::size_t>(n)], ids.back(), LinkKind::other, GBps(1 + below(9)), {});
  }
  return *std::move(builder).build();
}

// All sets of nodes that miss a GPU: the most GPUs inside per bandwidth out (in, if `reversed`).
Rational worst_of_all_cuts(const Topology& topology, bool reversed) {
  Rational worst;
  const auto nodes = topology.nodes().size();
  for (std::size_t set = 1; set < (std::size_t{1} << nodes); ++set) {
    const auto inside = [&](NodeId n) { return (set >> n.index() & 1) != 0; };
    int gpus = 0;
    for (int r = 0; r < topology.ranks(); ++r) gpus += inside(topology.node_of(Rank{r})) ? 1 : 0;
    if (gpus == 0 || gpus == topology.ranks()) continue;
    std::int64_t capacity = 0;
    for (const auto& link : topology.links()) {
      if (inside(reversed ? link.to : link.from) && !inside(reversed ? link.from : link.to)) capacity += link.bandwidth.bytes_per_second();
    }
    worst = std::max(worst, reduced(static_cast<Int128>(gpus) * 1'000'000'000, capacity));
  }
  return worst;
}

TEST(Bounds, AllGatherIsTheWorstOfAllCuts) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    const auto machine = random_machine(seed, 2 + static_cast<int>(seed % 5), false);
    EXPECT_EQ(bound_of(machine, CollectiveKind::all_gather).inverse_rate, worst_of_all_cuts(machine, false)) << seed;
    EXPECT_EQ(bound_of(machine, CollectiveKind::reduce_scatter).inverse_rate, worst_of_all_cuts(machine, true)) << seed;
  }
}

TEST(Bounds, SwitchesJoinCutsOnEitherSide) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    const auto machine = random_machine(seed, 3 + static_cast<int>(seed % 4), true);
    EXPECT_EQ(bound_of(machine, CollectiveKind::all_gather).inverse_rate, worst_of_all_cuts(machine, false)) << seed;
  }
}

TEST(Bounds, TheCutThatIsGivenProvesTheRate) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    const auto machine = random_machine(seed, 6, true);
    const auto best = bound_of(machine, CollectiveKind::all_gather);
    std::vector<bool> inside(machine.nodes().size());
    std::int64_t gpus = 0;
    for (const auto node : best.cut) {
      inside[node.index()] = true;
      gpus += machine.rank_of(node) ? 1 : 0;
    }
    std::int64_t capacity = 0;
    for (const auto& link : machine.links()) {
      if (inside[link.from.index()] && !inside[link.to.index()]) capacity += link.bandwidth.bytes_per_second();
    }
    EXPECT_EQ(best.inverse_rate, reduced(static_cast<Int128>(gpus) * 1'000'000'000, capacity)) << best.argument;
  }
}

TEST(Bounds, OneSwitchGivesTheClosedForms) {
  for (const int n : {2, 3, 5, 6, 7, 8, 16}) {
    const auto machine = star(n, 300);
    EXPECT_EQ(bound_of(machine, CollectiveKind::all_gather).inverse_rate, reduced(n - 1, 300)) << n;
    EXPECT_EQ(bound_of(machine, CollectiveKind::reduce_scatter).inverse_rate, reduced(n - 1, 300)) << n;
    EXPECT_EQ(bound_of(machine, CollectiveKind::all_to_all).inverse_rate, reduced(n - 1, 300)) << n;
    EXPECT_EQ(bound_of(machine, CollectiveKind::gather).inverse_rate, reduced(n - 1, 300)) << n;
    EXPECT_EQ(bound_of(machine, CollectiveKind::scatter).inverse_rate, reduced(n - 1, 300)) << n;
    EXPECT_EQ(bound_of(machine, CollectiveKind::broadcast).inverse_rate, reduced(1, 300)) << n;
    EXPECT_EQ(bound_of(machine, CollectiveKind::reduce).inverse_rate, reduced(1, 300)) << n;
    EXPECT_EQ(bound_of(machine, CollectiveKind::send_receive).inverse_rate, reduced(1, 300)) << n;
    EXPECT_EQ(bound_of(machine, CollectiveKind::all_reduce).inverse_rate, reduced(2 * (n - 1), 300 * n)) << n;
    EXPECT_EQ(bound_of(machine, CollectiveKind::all_reduce).latency_steps, 1) << n;
  }
}

TEST(Bounds, GroupsCount) {
  // Two GPUs over a bus that carries one direction at a time: all-gather needs both directions, a byte of each GPU in turn.
  Topology::Builder builder("bus");
  const auto a = builder.add_node({.name = "gpu0"});
  const auto b = builder.add_node({.name = "gpu1"});
  const auto there = builder.add_link({a, b, LinkKind::pcie, GBps(10), {}});
  const auto back = builder.add_link({b, a, LinkKind::pcie, GBps(10), {}});
  builder.add_group({"bus", GBps(10), {there, back}});
  const auto machine = *std::move(builder).build();
  EXPECT_EQ(bound_of(machine, CollectiveKind::all_gather).inverse_rate, reduced(1, 5));
  EXPECT_EQ(bound_of(machine, CollectiveKind::all_to_all).inverse_rate, reduced(1, 5));
  EXPECT_EQ(bound_of(machine, CollectiveKind::all_reduce).inverse_rate, reduced(1, 5));
  EXPECT_EQ(bound_of(machine, CollectiveKind::broadcast).inverse_rate, reduced(1, 10));
}

// A torus of 6 x 8: 24 x 24 blocks cross each half of the longer circles over 12 links of 50 GB/s. Its GPUs, alike, share the program's columns.
TEST(Bounds, AllToAllOfLikeGpusIsThatOfAllOfThem) {
  const auto best = bound_of(*make_preset("torus", {{"dims", "6x8"}}), CollectiveKind::all_to_all);
  EXPECT_EQ(best.inverse_rate, reduced(24 * 24, 12 * 50));
  EXPECT_TRUE(best.attained);
}

TEST(Bounds, NodeLimitsCount) {
  // A full mesh of four 10 GB/s links whose GPUs send at most 15 GB/s in all: three blocks must enter each, so the sum of what leaves is 12.
  Topology::Builder builder("limited");
  std::vector<NodeId> gpus;
  for (int g = 0; g < 4; ++g) gpus.push_back(builder.add_node({.name = "gpu" + std::to_string(g), .egress = GBps(15)}));
  for (const auto a : gpus) {
    for (const auto b : gpus) {
      if (a != b) builder.add_link({a, b, LinkKind::nvlink, GBps(10), {}});
    }
  }
  const auto machine = *std::move(builder).build();
  EXPECT_EQ(bound_of(machine, CollectiveKind::all_gather).inverse_rate, reduced(3, 15));
  EXPECT_EQ(bound_of(machine, CollectiveKind::broadcast).inverse_rate, reduced(1, 15));
}

TEST(Bounds, WhatNeedsCopiesInHostMemoryIsNotSaidToBeReached) {
  // Three GPUs at a host, 10 GB/s each for both directions together. A host that keeps what passes: a block goes up once and comes down twice, so
  // each link carries three. Else a block goes up and down twice: 12 blocks over 30 GB/s.
  Topology::Builder builder("half duplex");
  const auto host = builder.add_node({.name = "host0", .kind = NodeKind::host});
  for (int g = 0; g < 3; ++g) {
    const auto gpu = builder.add_node({.name = "gpu" + std::to_string(g)});
    const auto up = builder.add_link({gpu, host, LinkKind::pcie, GBps(10), {}});
    const auto down = builder.add_link({host, gpu, LinkKind::pcie, GBps(10), {}});
    builder.add_group({"port" + std::to_string(g), GBps(10), {up, down}});
  }
  const auto best = bound_of(*std::move(builder).build(), CollectiveKind::all_gather);
  EXPECT_EQ(best.inverse_rate, reduced(3, 10));
  EXPECT_FALSE(best.attained);
  EXPECT_NE(best.argument.find("without copies in host memory at most 7.5 GB/s"), std::string::npos) << best.argument;
}

TEST(Bounds, SwitchesDoNotCopy) {
  // One link of 1 GB/s into the switch, two out: a broadcast of gpu0 must send its data over the one link once for each receiver.
  Topology::Builder builder("fan");
  const auto hub = builder.add_node({.name = "sw", .kind = NodeKind::nvswitch});
  const auto root = builder.add_node({.name = "gpu0"});
  builder.add_link({root, hub, LinkKind::other, GBps(1), {}});
  for (int g = 1; g < 3; ++g) builder.add_link({hub, builder.add_node({.name = "gpu" + std::to_string(g)}), LinkKind::other, GBps(1), {}});
  EXPECT_EQ(bound_of(*std::move(builder).build(), CollectiveKind::broadcast).inverse_rate, reduced(2, 1));
}

TEST(Bounds, UnequalSharesWeighTheCut) {
  // gpu0 has three quarters of the data and every other GPU must get it: 3/4 + 1/8 of the payload enters gpu1.
  auto collective = make_collective(CollectiveKind::all_gather, 3);
  collective.shares = {6, 1, 1};
  const auto best = bound(star(3, 1), collective);
  ASSERT_TRUE(best);
  EXPECT_EQ(best->inverse_rate, reduced(7 * 3, 8));
}

TEST(Bounds, SilentMembersOnlyReceive) {
  auto collective = make_collective(CollectiveKind::reduce_scatter, 4);
  collective.silent = {Rank{3}};
  const auto best = bound(star(4, 1), collective);
  ASSERT_TRUE(best);
  // A sender sends on three of the four results, whose sums others keep.
  EXPECT_EQ(best->inverse_rate, reduced(3, 1));
}

TEST(Bounds, OtherGpusRelay) {
  // gpu0 - gpu1 - gpu2 in a line; the group is the two ends.
  Topology::Builder builder("line");
  std::vector<NodeId> gpus;
  for (int g = 0; g < 3; ++g) gpus.push_back(builder.add_node({.name = "gpu" + std::to_string(g)}));
  builder.add_duplex(gpus[0], gpus[1], LinkKind::nvlink, GBps(4), Seconds{1e-6});
  builder.add_duplex(gpus[1], gpus[2], LinkKind::nvlink, GBps(2), Seconds{2e-6});
  const Collective ends{.kind = CollectiveKind::all_gather, .members = {Rank{0}, Rank{2}}};
  const auto best = bound(*std::move(builder).build(), ends);
  ASSERT_TRUE(best);
  EXPECT_EQ(best->inverse_rate, reduced(1, 2));
  EXPECT_EQ(best->latency_steps, 2);
  EXPECT_DOUBLE_EQ(best->latency.count(), 3e-6);
}

TEST(Bounds, AnUnreachableGpuIsAnErrorThatNamesTheCut) {
  Topology::Builder builder("split");
  const auto a = builder.add_node({.name = "gpu0"});
  const auto b = builder.add_node({.name = "gpu1"});
  builder.add_link({a, b, LinkKind::other, GBps(1), {}});
  const auto result = bound(*std::move(builder).build(), make_collective(CollectiveKind::all_reduce, 2));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message, "gpu0 cannot be reached from gpu1, not even by relaying through other GPUs");
  ASSERT_EQ(result.error().notes.size(), 1);
  EXPECT_EQ(result.error().notes[0], "no link leads out of {gpu1}");
}

TEST(Bounds, OneGpuNeedsNoTime) {
  for (const auto kind : all_collective_kinds()) {
    const auto best = bound_of(star(1, 1), kind);
    EXPECT_EQ(best.inverse_rate, Rational{}) << to_string(kind);
    EXPECT_EQ(lower_bound(best, {.elements = 1000}), Seconds{0});
  }
}

TEST(Bounds, TimeIsBandwidthPlusTheDelayOfTheCut) {
  const auto best = bound_of(star(4, 300), CollectiveKind::all_gather);
  EXPECT_NEAR(lower_bound(best, {.elements = 300'000'000, .type = DataType::float32}).count(), 3e-3 + 1e-6, 1e-10);
  EXPECT_DOUBLE_EQ(lower_bound(best, {.elements = 4}).count(), 2e-6);
  // One element belongs to one block; the others move nothing, so nothing is promised.
  EXPECT_EQ(lower_bound(best, {.elements = 1}), Seconds{0});
  EXPECT_EQ(lower_bound(best, {.elements = 0}), Seconds{0});
}

class Reference : public ::testing::Test {
 protected:
  void SetUp() override {
    rows_ = test::optima();
    if (rows_.empty()) GTEST_SKIP() << "no reference optima in " << test::reference_optima();
    ASSERT_EQ(rows_.size(), 21);
  }
  std::vector<test::Optimum> rows_;
};

TEST_F(Reference, AllGatherIsExact) {
  for (const auto& row : rows_) {
    const auto machine = test::reference_machine(row.name);
    EXPECT_EQ(to_string(bound_of(machine, CollectiveKind::all_gather).inverse_rate), row.all_gather_inverse_rate) << row.name;
  }
}

TEST_F(Reference, AllReduceIsTheLinearProgram) {
  for (const auto& row : rows_) {
    const auto best = bound_of(test::reference_machine(row.name), CollectiveKind::all_reduce);
    EXPECT_NEAR(best.algbw_gbps(), row.all_reduce, 1e-6 * row.all_reduce) << row.name << " " << best.argument;
  }
}

TEST_F(Reference, AllToAllIsTheConcurrentFlow) {
  for (const auto& row : rows_) {
    EXPECT_NEAR(bound_of(test::reference_machine(row.name), CollectiveKind::all_to_all).algbw_gbps(), row.all_to_all, 1e-6 * row.all_to_all)
        << row.name;
  }
}

TEST_F(Reference, BroadcastFromTheBestRootIsExact) {
  for (const auto& row : rows_) {
    const auto machine = test::reference_machine(row.name);
    double best = 0;
    for (int r = 0; r < machine.ranks(); ++r) best = std::max(best, bound_of(machine, CollectiveKind::broadcast, Rank{r}).algbw_gbps());
    EXPECT_NEAR(best, row.broadcast, 1e-9 * row.broadcast) << row.name;
  }
}

}  // namespace
}  // namespace p2plab::bounds_test
