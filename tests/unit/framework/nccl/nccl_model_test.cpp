// SPDX-License-Identifier: Apache-2.0
// NCCL's model gives NCCL's numbers: the channels that its search finds on known machines, and its published table of latencies and bandwidths.
#include <gtest/gtest.h>

#include <cmath>

#include "p2plab/machine/presets.h"
#include "p2plab/machine/topology_io.h"
#include "p2plab/nccl/nccl_call.h"

namespace p2plab::nccl::nccl_model_test {
namespace {

struct Expected {
  Algorithm algorithm;
  Proto proto;
  double latency;
  double bandwidth;
};

Communicator found(const std::string& machine, bool multicast = true) {
  const auto topology = resolve_topology(machine);
  expects(static_cast<bool>(topology));
  auto communicator = search(*topology, {.multicast = multicast});
  expects(static_cast<bool>(communicator));
  return *std::move(communicator);
}

// The table prints one decimal.
void expect_lines(const std::string& machine, const std::vector<Expected>& lines) {
  SCOPED_TRACE(machine);
  const Table table(found(machine), CollectiveKind::all_reduce);
  for (const auto& line : lines) {
    const auto& got = table.at(line.algorithm, line.proto);
    EXPECT_NEAR(got.latency_us, line.latency, 0.051) << to_string(line.algorithm) << ' ' << to_string(line.proto);
    EXPECT_NEAR(got.bandwidth_gbps, line.bandwidth, 0.051) << to_string(line.algorithm) << ' ' << to_string(line.proto);
  }
}

TEST(NcclTable, IsThePublishedOneOnFiveMachines) {
  using enum Algorithm;
  using enum Proto;
  expect_lines("hgx-a100:gpus=8", {{tree, ll, 15.2, 29.1},
                                   {tree, ll128, 31.5, 85.9},
                                   {tree, simple, 64.4, 110.4},
                                   {ring, ll, 15.0, 50.1},
                                   {ring, ll128, 40.6, 126.2},
                                   {ring, simple, 56.0, 137.1}});
  expect_lines("hgx-h100:gpus=8", {{tree, ll, 15.2, 43.6},
                                   {tree, ll128, 31.5, 128.8},
                                   {tree, simple, 64.4, 165.6},
                                   {ring, ll, 15.0, 80.6},
                                   {ring, ll128, 40.6, 189.3},
                                   {ring, simple, 56.0, 205.7},
                                   {nvls, simple, 25.0, 272.0}});
  expect_lines("hgx-h100:gpus=4", {{tree, ll, 10.4, 43.6},
                                   {tree, ll128, 21.5, 128.8},
                                   {tree, simple, 32.4, 165.6},
                                   {ring, ll, 10.2, 94.0},
                                   {ring, ll128, 25.4, 220.8},
                                   {ring, simple, 28.8, 240.0},
                                   {nvls, simple, 25.0, 160.0}});
  expect_lines("hgx-h100:gpus=2", {{tree, ll, 8.0, 43.6},
                                   {tree, ll128, 16.5, 128.8},
                                   {tree, simple, 16.4, 165.6},
                                   {ring, ll, 7.8, 141},
                                   {ring, ll128, 17.8, 331.2},
                                   {ring, simple, 15.2, 360}});
  expect_lines("hgx-b200:gpus=8", {{tree, ll, 15.2, 87.2},
                                   {tree, ll128, 31.5, 257.6},
                                   {tree, simple, 64.4, 331.2},
                                   {ring, ll, 15.0, 161.1},
                                   {ring, ll128, 40.6, 365.7},
                                   {ring, simple, 56.0, 411.4},
                                   {nvls, simple, 25.0, 411.4}});
  EXPECT_EQ(found("hgx-a100:gpus=8").nvls.channels, 0);
  EXPECT_EQ(found("hgx-h100:gpus=2").nvls.channels, 0);
}

TEST(NcclSearch, FindsThePublishedChannels) {
  struct Machine {
    const char* name;
    int channels;
    double bandwidth;
  };
  for (const auto& m : {Machine{"hgx-a100:gpus=8", 12, 20}, Machine{"hgx-h100:gpus=8", 12, 30}, Machine{"hgx-h200:gpus=4", 12, 30},
                        Machine{"hgx-b200:gpus=8", 16, 45}}) {
    const auto c = found(m.name);
    EXPECT_EQ(c.ring.channels, m.channels) << m.name;
    EXPECT_EQ(c.ring.bw_intra, m.bandwidth) << m.name;
    EXPECT_EQ(c.ring.orders.size() * 2, static_cast<std::size_t>(m.channels)) << m.name;
  }
  const auto h100 = found("hgx-h100:gpus=8");
  EXPECT_EQ(h100.nvls.channels, 8);
  EXPECT_EQ(h100.nvls.bw_intra, 40);
  EXPECT_EQ(h100.nvls.bw_inter, 60);
  const auto b200 = found("hgx-b200:gpus=8");
  EXPECT_EQ(b200.nvls.bw_intra, 80);
  EXPECT_EQ(b200.nvls.bw_inter, 90);
}

TEST(NcclSearch, RingsOfADgx1FillItsLinksAndFiveGpusHaveNone) {
  const auto v100 = found("dgx-v100");
  EXPECT_TRUE(v100.ring.nvlink);
  EXPECT_EQ(v100.ring.channels * v100.ring.bw_intra, 120);  // six links of 20 GB/s
  for (const auto& order : v100.ring.orders) EXPECT_EQ(order.size(), 8U);
  const auto topology = *resolve_topology("dgx-p100");
  EXPECT_EQ(find_rings(topology, {.speed = 18, .share = 0.9}).size(), 4U);
  const auto five = *resolve_topology("dgx-v100:gpus=5");
  EXPECT_TRUE(find_rings(five, {.speed = 3, .share = 0.8}).empty());
  EXPECT_FALSE(search(five));
  const auto staged = found("dgx-v100:gpus=5,pcie=on");
  EXPECT_FALSE(staged.ring.nvlink);  // falls back to PCIe, and so to LL and Simple alone
  EXPECT_EQ(Table(staged, CollectiveKind::all_reduce).at(Algorithm::ring, Proto::ll128).bandwidth_gbps, 0);
}

TEST(NcclTime, IsLatencyPlusBytesOverBandwidthWithTheTreesCorrection) {
  const Table table(found("hgx-h100:gpus=8"), CollectiveKind::all_reduce);
  // The worked example: 8.4 + 14 * 3.4 + 2^30 / (1000 * 205.7) us.
  const auto ring = table.time(Algorithm::ring, Proto::simple, 1_GiB);
  EXPECT_NEAR(microseconds(*ring), 56.0 + 1073741824.0 / (1000 * 360 * 8.0 / 14), 1e-6);
  EXPECT_NEAR(microseconds(*ring), 5276, 1);
  EXPECT_NEAR(microseconds(*table.time(Algorithm::nvls, Proto::simple, 1_GiB)), 3973, 1);
  // 1 MiB is 2^14 times 64 B, where Simple trees count half their bandwidth.
  EXPECT_NEAR(microseconds(*table.time(Algorithm::tree, Proto::simple, 1_MiB)), 64.4 + 1048576 / (1000 * 165.6 * 0.5), 1e-6);
  EXPECT_NEAR(microseconds(*table.time(Algorithm::tree, Proto::ll, 1_KiB)), 15.2 + 1024 / (1000 * (331.2 / 3.8 / 2) * 0.9), 1e-6);
  const auto best = table.best(1_GiB);
  ASSERT_TRUE(best);
  EXPECT_EQ(best->algorithm, Algorithm::nvls);
  EXPECT_EQ(Table(found("hgx-h100:gpus=8", false), CollectiveKind::all_reduce).best(1_GiB)->algorithm, Algorithm::ring);
  EXPECT_FALSE(table.time(Algorithm::pat, Proto::simple, 1_MiB));
}

TEST(NcclTime, OfTwoBoxesPaysTheNetworkAndThePlateau) {
  const auto c = found("hgx-h100:gpus=8,nodes=2,network=rail", false);
  EXPECT_EQ(c.nodes, 2);
  const Table table(c, CollectiveKind::all_reduce);
  // Ring Simple: 8.4 + 28 hops inside at no less than 3 us of network overhead + 2 hops of 14 us.
  EXPECT_NEAR(table.at(Algorithm::ring, Proto::simple).latency_us, 8.4 + (30 - 2) * 3.4 + 2 * 14, 1e-9);
  EXPECT_NEAR(table.at(Algorithm::tree, Proto::ll).latency_us, 6.8 + 2 * (7 * 0.6 + 1 * 5.0), 1e-9);
  const auto topology = *resolve_topology("hgx-h100:gpus=8,nodes=2,network=rail");
  const Table amd(*search(topology, {.amd_cpu = true}), CollectiveKind::all_reduce);
  EXPECT_NEAR(amd.at(Algorithm::ring, Proto::simple).latency_us, 8.4 + (30 - 2) * 6 + 2 * 14, 1e-9);
  EXPECT_NEAR(amd.at(Algorithm::ring, Proto::ll).latency_us - table.at(Algorithm::ring, Proto::ll).latency_us, 30 - 2, 1e-9);
  const auto& line = table.at(Algorithm::ring, Proto::simple);
  EXPECT_NEAR(microseconds(*table.time(Algorithm::ring, Proto::simple, 1_GiB)), 1.4 * line.latency_us + 1073741824.0 / (1000 * line.bandwidth_gbps),
              1e-6);
}

double microseconds_of(const std::string& machine, const char* how, CollectiveKind kind, Bytes size, bool peers_over_hosts = false) {
  const auto topology = *resolve_topology(machine);
  const auto c = *search(topology, {.peers_over_hosts = peers_over_hosts});
  const auto found = *estimate(topology, c, kind, size, *launch_mode(how));
  EXPECT_LE(found.low, found.time);
  EXPECT_LE(found.time, found.high);
  return microseconds(found.time);
}

// 15.0 us and 1 KiB at 80.6 GB/s by the formula, and what launching costs.
TEST(NcclCall, CostsWhatTheWayOfRunningCosts) {
  const auto formula = 15.0 + 1024 / 80.57e3;
  const auto taken = [](const char* how) { return microseconds_of("hgx-h100:gpus=8", how, CollectiveKind::all_reduce, 1_KiB); };
  EXPECT_NEAR(taken("process"), formula, 1e-3);
  EXPECT_NEAR(taken("graph"), formula - 1.5, 1e-3);
  EXPECT_NEAR(taken("threads"), formula + 3, 1e-3);
  EXPECT_NEAR(taken("one-thread"), std::hypot(formula, 8 * 2.6), 1e-3);  // the GPUs are done before
  EXPECT_NEAR(microseconds_of("hgx-a100:gpus=8", "one-thread", CollectiveKind::all_reduce, 8_B), std::hypot(15.0, 8 * 4.6), 0.01);  // older CPUs
  const auto large = [](const char* how) { return microseconds_of("hgx-h100:gpus=8", how, CollectiveKind::all_reduce, 256_MiB); };
  EXPECT_NEAR(large("one-thread"), large("process"), 2);
  EXPECT_NEAR(taken("torch"), 32, 1e-3);
  EXPECT_NEAR(microseconds_of("hgx-h100:gpus=8", "torch", CollectiveKind::all_reduce, 256_MiB),
              microseconds_of("hgx-h100:gpus=8", "process", CollectiveKind::all_reduce, 256_MiB), 1e-3);
  EXPECT_FALSE(launch_mode("graphs"));
}

// On a host that forwards peer accesses, unless NCCL_P2P_LEVEL says no: 24 GB/s; through host memory 0.7 of it, and two crossings of PCIe a hop.
TEST(NcclCall, GoesThroughHostMemoryWherePeersAreNotForwardedOrNotWanted) {
  const auto busbw = [](const char* machine, bool peers) {
    return 1024.0 * 1.048576 / microseconds_of(machine, "process", CollectiveKind::all_reduce, 1_GiB, peers) * 1e3 * 1.5;
  };
  EXPECT_NEAR(busbw("pcie-server:gpus=4,switches=0,sockets=1,peers=on", true), 24, 0.05);
  EXPECT_NEAR(busbw("pcie-server:gpus=4,switches=0,sockets=1,peers=on", false), 24 * 0.7, 0.05);
  EXPECT_NEAR(busbw("pcie-server:gpus=4,switches=0,sockets=1", true), 24 * 0.7, 0.05);
  EXPECT_NEAR(microseconds_of("pcie-server:gpus=4,switches=0,sockets=1", "process", CollectiveKind::all_reduce, 8_B), 6.6 + 6 * 2 * 1.0, 0.01);
  // Between two Xeons (Skylake) NCCL counts 10 GB/s of peer accesses; what goes by way of memory is none.
  EXPECT_NEAR(busbw("pcie-server:gpus=4,switches=0,sockets=2,peers=on,cpu=skylake", true), 10, 0.05);
  EXPECT_NEAR(busbw("pcie-server:gpus=4,switches=0,sockets=2,peers=on", false), 24 * 0.7 * 0.845, 0.05);
}

// Parts of one PCIe chip, each with its way up: NCCL sees a tree, so between them it goes by way of the host unless told otherwise.
TEST(NcclCall, LinksBesideThePcieTreeAreNoPeerPath) {
  std::string text = "version: 1\nname: chip\nnodes:\n";
  for (int g = 0; g < 4; ++g) text += "  - {name: gpu" + std::to_string(g) + ", kind: gpu}\n";
  text += "  - {name: sw0, kind: pcie_switch}\n  - {name: sw1, kind: pcie_switch}\n  - {name: root, kind: host, forwards_peers: true}\nlinks:\n";
  const auto link = [&](const std::string& a, const std::string& b, const char* rate) {
    text += "  - {between: [" + a + ", " + b + "], bandwidth: " + rate + " GB/s, kind: pcie}\n";
  };
  for (int g = 0; g < 4; ++g) link("gpu" + std::to_string(g), g < 2 ? "sw0" : "sw1", "24");
  link("sw0", "root", "24");
  link("sw1", "root", "24");
  link("sw0", "sw1", "48");
  const auto chip = read_topology(text, "chip.yaml");
  ASSERT_TRUE(chip) << describe(chip.error());
  EXPECT_TRUE(search(*chip, {.peers_over_hosts = false})->ring.by_host);
  EXPECT_FALSE(search(*chip)->ring.by_host);
}

TEST(NcclCall, AnAllToAllByPeersThroughOneRootComplexCollapses) {
  const auto taken = [](bool peers) {
    return microseconds_of("pcie-server:gpus=4,switches=0,sockets=1,peers=on", "process", CollectiveKind::all_to_all, 1_GiB, peers);
  };
  EXPECT_NEAR(taken(true) / taken(false), 7, 0.01);  // 0.7 of PCIe through memory, 0.1 by posted writes
  // Behind switches no root port is stored through by several others: queues keep 0.586, or what is known of the switch.
  const auto behind = [](const std::string& model) {
    return microseconds_of("pcie-server:gpus=8,switches=2,sockets=1,peers=on,switch=" + model, "process", CollectiveKind::all_to_all, 1_GiB, true);
  };
  EXPECT_NEAR(behind("plain") / behind("pex890xx"), 0.7 / 0.586, 0.01);
}

// NCCL counts 48 GB/s for 16 lanes of generation 5, whoever described the machine; what was measured it cannot know, so it stands.
TEST(NcclCall, CountsPcieByGenerationAndWidth) {
  const auto busbw = [](const std::string& rate) {
    return 1024.0 * 1.048576 /
           microseconds_of("pcie-server:gpus=4,switches=1,sockets=1,gen=5,pcie=" + rate, "process", CollectiveKind::all_reduce, 1_GiB, true) * 1e3 *
           1.5;
  };
  EXPECT_NEAR(busbw("48"), 48 * 0.95, 0.1);
  EXPECT_NEAR(busbw("63.015385"), busbw("48"), 0.01);
  EXPECT_NEAR(busbw("31.507692"), busbw("24"), 0.01);
  EXPECT_LT(busbw("30"), 31);
}

TEST(NcclCall, AKernelOfOursPaysForEachLaunchOfItsThread) {
  const auto one = kernel_launch(*launch_mode("one-thread"), 2);
  EXPECT_NEAR(one.time.count() * 1e6, 4.4, 1e-9);  // 4.0 to 4.8 us more than in graphs
  EXPECT_LE(one.low.count() * 1e6, 4.0);
  EXPECT_GE(one.high.count() * 1e6, 4.8);
  EXPECT_EQ(kernel_launch(*launch_mode("process"), 2).time, kernel_launch(*launch_mode("process"), 8).time);
  EXPECT_EQ(kernel_launch(*launch_mode("graph"), 8).time, Seconds{0});
}

// NVLS waits in messages of few steps as rings do: 0.916 of its formula's rate up to 64 MiB, all of it from 2 GiB on.
TEST(NcclCall, MulticastReachesItsRateByLargeMessagesOnly) {
  const auto topology = *resolve_topology("hgx-h100:gpus=8");
  const auto c = *search(topology, {.multicast = true});
  const auto line = Table(c, CollectiveKind::all_reduce).at(Algorithm::nvls, Proto::simple);
  const auto share = [&](Bytes size) {
    const auto found = estimate(topology, c, CollectiveKind::all_reduce, size, *launch_mode("process"), {.algorithm = Algorithm::nvls});
    return static_cast<double>(size.count()) / (microseconds(found->time) - line.latency_us) * 1e-3 / line.bandwidth_gbps;
  };
  EXPECT_NEAR(share(64_MiB), 0.87 / 0.95, 1e-3);
  EXPECT_NEAR(share(2_GiB), 1, 1e-3);
}

// NCCL_MAX_NVLS_ARITY: 33 times 20 GB/s fit 18 links of 40.1.
TEST(NcclModel, MulticastHasThirtyTwoHeadsAtMost) {
  const auto rack = *resolve_topology("nvl72");
  const auto c = *search(rack, {.multicast = true});
  EXPECT_EQ(c.nvls.channels, 32);
  EXPECT_EQ(c.nvls.bw_intra, 20);
}

// Rings by simple reach 0.87 of what NCCL counts up to 64 MiB and 0.95 from 2 GiB on; two channels through host memory carry 11 GB/s each.
TEST(NcclCall, RingsBySimpleReachMoreOfLargeMessagesAndChannelsCarrySoMuch) {
  const auto topology = *resolve_topology("hgx-a100:gpus=8");
  const auto c = *search(topology);
  const auto latency = Table(c, CollectiveKind::all_reduce).at(Algorithm::ring, Proto::simple).latency_us;
  const auto busbw = [&](Bytes size, const Asked& asked) {
    const auto found = estimate(topology, c, CollectiveKind::all_reduce, size, *launch_mode("process"), asked);
    return static_cast<double>(size.count()) / (microseconds(found->time) - latency) * 1e-3 * 1.75;
  };
  const Asked simple{.algorithm = Algorithm::ring, .proto = Proto::simple};
  EXPECT_NEAR(busbw(1_MiB, simple), 240 * 0.87, 0.01);
  EXPECT_NEAR(busbw(64_MiB, simple), 240 * 0.87, 0.01);
  EXPECT_NEAR(busbw(2_GiB, simple), 240 * 0.95, 0.01);
  EXPECT_NEAR(busbw(2_GiB, {.algorithm = Algorithm::ring, .proto = Proto::simple, .channels = 6}), 120 * 0.95, 0.01);  // of 12 with 20 GB/s each
  EXPECT_FALSE(estimate(topology, c, CollectiveKind::broadcast, 1_MiB, *launch_mode("process"), {.algorithm = Algorithm::tree}));
  EXPECT_EQ(algorithm("rign").error().code, ErrorCode::unknown_name);
  EXPECT_EQ(*proto("ll128"), Proto::ll128);
}

}  // namespace
}  // namespace p2plab::nccl::nccl_model_test
