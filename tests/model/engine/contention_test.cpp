// SPDX-License-Identifier: Apache-2.0
// Sharing: links, groups, node limits, thread blocks; small cases worked out by hand.
#include <gtest/gtest.h>

#include "support/simulated.h"

namespace p2plab::contention_test {
namespace {

using test::at_rate;
using test::one_us;

Topology two_gpus(double gbps) {
  auto builder = test::with_gpus("two", 2);
  builder.add_duplex(NodeId{0}, NodeId{1}, LinkKind::nvlink, GBps(gbps), Seconds{1e-6});
  return test::built(std::move(builder));
}

TEST(Contention, NFlowsThroughOneLinkTakeNTimesAsLong) {
  for (const int flows : {1, 2, 3, 5, 8}) {
    auto builder = test::with_gpus("bus", 2 * flows);
    const auto a = builder.add_node({.name = "a", .kind = NodeKind::pcie_switch});
    const auto b = builder.add_node({.name = "b", .kind = NodeKind::pcie_switch});
    builder.add_duplex(a, b, LinkKind::pcie, GBps(10), Seconds{1e-6});
    std::vector<std::pair<Rank, Rank>> who;
    for (int i = 0; i < flows; ++i) {
      builder.add_duplex(NodeId{i}, a, LinkKind::pcie, GBps(10), Seconds{1e-6});
      builder.add_duplex(NodeId{flows + i}, b, LinkKind::pcie, GBps(10), Seconds{1e-6});
      who.emplace_back(Rank{i}, Rank{flows + i});
    }
    const auto machine = test::built(std::move(builder));
    const auto program = test::lowered(machine, test::pairs(2 * flows, who), 1_MiB, {.slice = 64_KiB});
    EXPECT_EQ(test::makespan(machine, program), 3 * one_us + flows * at_rate(1 << 20, 10));
  }
}

TEST(Contention, ConcurrentChunksNeverBeatTheLink) {
  const auto machine = two_gpus(10);
  for (const int channels : {1, 2, 4, 16, 64}) {
    const auto program = test::lowered(machine, test::pairs(2, {{Rank{0}, Rank{1}}}, channels), 1_MiB, {.slice = 4_KiB});
    EXPECT_EQ(test::makespan(machine, program), one_us + at_rate(1 << 20, 10)) << channels;
  }
}

TEST(Contention, PartsShareTheLinkFairlyAndLoseNothing) {
  const auto machine = two_gpus(10);
  const auto program = test::lowered(machine, test::pairs(2, {{Rank{0}, Rank{1}}}), 1_MiB, {.blocks_per_lane = 8, .slice = 4_KiB});
  EXPECT_EQ(test::makespan(machine, program), one_us + at_rate(1 << 20, 10));
}

TEST(CutThrough, CountsLatenciesAndTheSlowestLinkOnly) {
  for (const auto& [first, second] : {std::pair{10.0, 40.0}, std::pair{40.0, 10.0}}) {
    auto builder = test::with_gpus("two speeds", 2);
    const auto sw = builder.add_node({.name = "sw", .kind = NodeKind::pcie_switch});
    builder.add_link({NodeId{0}, sw, LinkKind::pcie, GBps(first), Seconds{1e-6}});
    builder.add_link({sw, NodeId{1}, LinkKind::pcie, GBps(second), Seconds{2e-6}});
    const auto machine = test::built(std::move(builder));
    const auto program = test::lowered(machine, test::pairs(2, {{Rank{0}, Rank{1}}}), 1_MiB);
    EXPECT_EQ(test::makespan(machine, program), 3 * one_us + at_rate(1 << 20, 10));
  }
}

TEST(Groups, BoundTheSumOfTheirLinks) {
  auto builder = test::with_gpus("half duplex", 2);
  const auto there = builder.add_link({NodeId{0}, NodeId{1}, LinkKind::pcie, GBps(10), Seconds{1e-6}});
  const auto back = builder.add_link({NodeId{1}, NodeId{0}, LinkKind::pcie, GBps(10), Seconds{1e-6}});
  builder.add_group({.name = "wire", .bandwidth = GBps(10), .links = {there, back}});
  const auto machine = test::built(std::move(builder));
  const auto program = test::lowered(machine, test::pairs(2, {{Rank{0}, Rank{1}}, {Rank{1}, Rank{0}}}), 1_MiB, {.slice = 16_KiB});
  const auto result = test::simulated(machine, program);
  EXPECT_EQ(result.makespan, one_us + 2 * at_rate(1 << 20, 10));
  EXPECT_EQ(result.uses[2].name, "group wire");
  EXPECT_EQ(result.uses[2].busy, 2 * at_rate(1 << 20, 10));
}

TEST(Groups, ASlowMemberLeavesTheRestOfTheBudgetToOthers) {
  auto builder = test::with_gpus("uneven", 4);
  const auto slow = builder.add_link({NodeId{0}, NodeId{1}, LinkKind::pcie, GBps(1), Seconds{0}});
  const auto fast = builder.add_link({NodeId{2}, NodeId{3}, LinkKind::pcie, GBps(10), Seconds{0}});
  builder.add_group({.name = "bus", .bandwidth = GBps(10), .links = {slow, fast}});
  const auto machine = test::built(std::move(builder));
  const std::vector<std::pair<Rank, Rank>> who{{Rank{0}, Rank{1}}, {Rank{2}, Rank{3}}};
  const auto program = test::lowered(machine, test::pairs(4, who), 1_MiB, {.slice = 4_KiB});
  const auto result = test::simulated(machine, program);
  EXPECT_EQ(result.rank_finish[0], at_rate(1 << 20, 1));  // max-min: the slow one has its link's full rate
  // And the fast one the rest of the bus but for what it loses while a slice of the slow one is served.
  const auto fair = static_cast<double>(at_rate(1 << 20, 9).count());
  EXPECT_NEAR(static_cast<double>(result.rank_finish[2].count()), fair, 0.003 * fair);
}

TEST(NodeLimits, BoundWhatLeavesAndWhatEnters) {
  for (const bool leaving : {true, false}) {
    Topology::Builder builder("limited");
    for (int i = 0; i < 4; ++i) {
      Node node{.name = "gpu" + std::to_string(i)};
      if (i == 0 && leaving) node.egress = GBps(20);
      if (i == 0 && !leaving) node.ingress = GBps(20);
      builder.add_node(node);
    }
    std::vector<std::pair<Rank, Rank>> who;
    for (int i = 1; i < 4; ++i) {
      builder.add_duplex(NodeId{0}, NodeId{i}, LinkKind::nvlink, GBps(10), Seconds{1e-6});
      who.emplace_back(leaving ? Rank{0} : Rank{i}, leaving ? Rank{i} : Rank{0});
    }
    const auto machine = test::built(std::move(builder));
    const auto program = test::lowered(machine, test::pairs(4, who), 1_MiB, {.slice = 64_KiB});
    EXPECT_EQ(test::makespan(machine, program), one_us + at_rate(3 << 20, 20));
  }
}

TEST(Channel, StoresAndLoadsHaveTheirOwnRates) {
  const auto machine = test::full_mesh(2);
  const Profile profile{.store_rate = GBps(5), .load_rate = GBps(2)};
  const auto push = test::planned(machine, "one_shot", CollectiveKind::all_reduce, 1_MiB, {{"mode", "push"}}, {.slice = 16_KiB});
  const auto pull = test::planned(machine, "one_shot", CollectiveKind::all_reduce, 1_MiB, {{"mode", "pull"}}, {.slice = 16_KiB});
  EXPECT_EQ(test::makespan(machine, push, profile), one_us + at_rate(1 << 20, 5));
  EXPECT_EQ(test::makespan(machine, pull, profile), one_us + at_rate(1 << 20, 2));
}

TEST(Channel, PartsMultiplyItsRateUpToTheLink) {
  const auto machine = two_gpus(10);
  const Profile profile{.store_rate = GBps(4)};
  const auto time = [&](int parts) {
    return test::makespan(machine, test::lowered(machine, test::pairs(2, {{Rank{0}, Rank{1}}}), 1_MiB, {.blocks_per_lane = parts, .slice = 4_KiB}),
                          profile);
  };
  EXPECT_EQ(time(1), one_us + at_rate(1 << 20, 4));
  EXPECT_EQ(time(2), one_us + at_rate(1 << 20, 8));
  EXPECT_GE(time(4), one_us + at_rate(1 << 20, 10));
  EXPECT_LE(time(4), one_us + at_rate(1 << 20, 10) + at_rate(2 * 4096, 4));  // the first and last slices
}

TEST(Overheads, AddUpAlongAChain) {
  const Profile profile{.launch = Seconds{3e-6}, .signal_peer = Seconds{2e-6}, .fence = Seconds{1e-6}, .slice_cost = Seconds{5e-7}};
  const auto machine = test::line(4);
  const auto program = test::lowered(machine, test::chain(4), 1_KiB);
  EXPECT_EQ(test::makespan(machine, program, profile), 3 * one_us + 3 * (one_us + one_us / 2 + at_rate(1024, 25)) + 2 * 3 * one_us);
}

TEST(Protocols, CostWhatTheirFlagsWeigh) {
  const auto machine = two_gpus(10);
  const auto time = [&](Protocol protocol) {
    return test::makespan(machine, test::lowered(machine, test::pairs(2, {{Rank{0}, Rank{1}}}), Bytes{120'000}, {.protocol = protocol}));
  };
  EXPECT_EQ(time(Protocol::simple), one_us + at_rate(120'000, 10));
  EXPECT_EQ(time(Protocol::ll), one_us + at_rate(240'000, 10));
  EXPECT_EQ(time(Protocol::lamport), time(Protocol::ll));  // what is only moved may hold the sentinel, so it goes by LL
  EXPECT_EQ(time(Protocol::ll128), one_us + at_rate(128'000, 10));
}

TEST(Outstanding, AWindowBelowBandwidthTimesLatencyThrottles) {
  const auto machine = two_gpus(10);  // 1 us at 10 GB/s: 10,000 bytes in flight fill the link
  const auto time = [&](int window) {
    return test::makespan(machine, test::lowered(machine, test::pairs(2, {{Rank{0}, Rank{1}}}), Bytes{1'600'000}, {.slice = Bytes{1600}}),
                          {.outstanding = window});
  };
  // One slice at a time: each pays its latency.
  EXPECT_EQ(time(1), 1000 * (one_us + at_rate(1600, 10)));
  EXPECT_EQ(time(64), one_us + at_rate(1'600'000, 10));
  EXPECT_GT(time(2), time(4));
}

}  // namespace
}  // namespace p2plab::contention_test
