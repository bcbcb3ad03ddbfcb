// SPDX-License-Identifier: Apache-2.0
// Links as they are: what topology files say of ports, host memory, roots and switches, beside what was measured on such machines.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "p2plab/machine/topology_io.h"
#include "support/simulated.h"

namespace p2plab::links_test {
namespace {

using test::at_rate;
using Pairs = std::vector<std::pair<Rank, Rank>>;

Topology machine(const std::string& text) {
  auto read = read_topology(text, "machine.yaml");
  EXPECT_TRUE(read) << describe(read.error());
  return *std::move(read);
}

Pairs who(const std::vector<std::pair<int, int>>& ranks) {
  Pairs pairs;
  for (const auto& [from, to] : ranks) pairs.emplace_back(Rank{from}, Rank{to});
  return pairs;
}

Pairs everyone(int first, int end) {
  Pairs pairs;
  for (int from = first; from < end; ++from) {
    for (int to = first; to < end; ++to) {
      if (from != to) pairs.emplace_back(Rank{from}, Rank{to});
    }
  }
  return pairs;
}

enum class How { stores, loads, staged, staged_by_engines };

constexpr std::size_t copied = std::size_t{16} << 20;

// Copies at once, of 16 MiB each; staged: into the receiver's host memory, and loaded from there.
SimResult played(const Topology& machine, const Pairs& pairs, How how) {
  auto collective = make_collective(CollectiveKind::send_receive, machine.ranks());
  collective.pairs = pairs;
  auto steps = *Schedule::Builder::create(collective, machine.ranks());
  for (std::size_t p = 0; p < pairs.size(); ++p) {
    const auto& [from, to] = pairs[p];
    const auto chunk = steps.add_chunk({static_cast<std::int32_t>(p), 1, static_cast<std::int32_t>(p)});
    if (how == How::stores || how == How::loads) {
      steps.copy(how == How::loads ? to : from, input(from, chunk), output(to, chunk));
    } else {
      steps.copy(from, input(from, chunk), host(to, static_cast<std::int64_t>(p)));
      steps.copy(to, host(to, static_cast<std::int64_t>(p)), output(to, chunk));
    }
  }
  const Tuning tuning{.slice = 64_KiB, .protocol = how == How::staged_by_engines ? Protocol::copy : Protocol::simple};
  const auto program = test::lowered(machine, *std::move(steps).build(), 16_MiB, tuning);
  return test::simulated(machine, program, {}, {.steps = true});
}

// GB/s of all together.
double together(const Topology& machine, const Pairs& pairs, How how = How::stores) {
  return static_cast<double>(pairs.size() * copied) / to_seconds(played(machine, pairs, how).makespan).count() * 1e-9;
}

// GB/s of one on average.
double mean_rate(const Topology& machine, const Pairs& pairs, How how) {
  double sum = 0;
  for (const auto& step : played(machine, pairs, how).steps) sum += static_cast<double>(copied) / to_seconds(step.end - step.begin).count() * 1e-9;
  return sum / static_cast<double>(pairs.size());
}

// So many switches with so many GPUs each, under one host that passes peer accesses on.
std::string switches(int count, int gpus, double port, double uplink, const std::string& model, const std::string& host = "forwards_peers: true") {
  std::string text = "version: 1\nname: switches\nnodes:\n";
  for (int g = 0; g < count * gpus; ++g) text += fmt::format("  - {{name: gpu{}, kind: gpu}}\n", g);
  for (int s = 0; s < count; ++s) text += fmt::format("  - {{name: sw{}, kind: pcie_switch{}}}\n", s, model);
  text += fmt::format("  - {{name: root, kind: host, {}}}\nlinks:\n", host);
  for (int g = 0; g < count * gpus; ++g) text += fmt::format("  - {{between: [gpu{}, sw{}], bandwidth: {} GB/s, kind: pcie}}\n", g, g / gpus, port);
  for (int s = 0; s < count; ++s) text += fmt::format("  - {{between: [sw{}, root], bandwidth: {} GB/s, kind: pcie}}\n", s, uplink);
  return text;
}

// PEX890xx, two GPUs on each of four parts with a way up of its own (voipmonitor/rtx6kpro, asus-esc8000a-e13p-broadcom-switches.md): one copy
// across 36.8, two from two parts 76.4, two from one part to one root 40.3, one GPU to two roots 36.6, two GPUs to two roots 2.7, the other way
// round 51.
TEST(Links, PostedWritesOfOneSwitchToSeveralRootsCollapseAndNothingElseDoes) {
  const auto asus = machine(switches(4, 2, 53.5, 38, ", posted_writes: 2.7 GB/s"));
  EXPECT_NEAR(together(asus, who({{0, 4}})), 36.8, 0.06 * 36.8);
  EXPECT_NEAR(together(asus, who({{0, 4}, {2, 6}})), 76.4, 0.05 * 76.4);
  EXPECT_NEAR(together(asus, who({{0, 4}, {1, 5}})), 40.3, 0.08 * 40.3);
  EXPECT_NEAR(together(asus, who({{0, 4}, {0, 6}})), 36.6, 0.06 * 36.6);
  EXPECT_NEAR(together(asus, who({{0, 4}, {1, 6}})), 2.7, 0.03 * 2.7);
  EXPECT_NEAR(together(asus, who({{0, 4}, {0, 5}, {1, 6}, {1, 7}})), 2.7, 0.03 * 2.7);
  EXPECT_NEAR(together(asus, who({{4, 0}, {6, 1}})), 51.2, 0.3 * 51.2) << "from two parts to one";
}

// The same server, its parts joined within the chip: GPU i loads from GPU i + n, GB/s of each (p2pmark 3c39f36): 48.62, 36.24, 22.8, 14.77, 22.7.
// Where n is 3 or 5, what two GPUs of a part send goes to two roots.
TEST(Links, AnswersToLoadsCollapseAsStoresDo) {
  auto text = switches(4, 2, 53.5, 38, ", posted_writes: 2.7 GB/s");
  for (const auto* chip : {"sw0, sw1", "sw2, sw3"}) text += fmt::format("  - {{between: [{}], bandwidth: 107 GB/s, kind: pcie}}\n", chip);
  const auto asus = machine(text);
  const auto each = [&](int shift) {
    Pairs pairs;
    for (int i = 0; i < 8; ++i) pairs.emplace_back(Rank{(i + shift) % 8}, Rank{i});
    return mean_rate(asus, pairs, How::loads);
  };
  EXPECT_NEAR(each(1), 48.62, 0.1 * 48.62);
  EXPECT_NEAR(each(2), 36.24, 0.06 * 36.24);
  EXPECT_NEAR(each(3), 22.8, 0.06 * 22.8);
  EXPECT_NEAR(each(4), 14.77, 0.3 * 14.77);
  EXPECT_NEAR(each(5), 22.7, 0.06 * 22.7);
}

// Four switches of four GPUs (collapse-report.md): one copy 52.5, two to one root 52.1, to two roots 13.5, from four switches 197.8.
TEST(Links, SeveralSendersOutOfOneRootPortAreWell) {
  const auto wrx90 = machine(switches(4, 4, 54.4, 52.5, ", posted_writes: 13.5 GB/s"));
  EXPECT_NEAR(together(wrx90, who({{0, 4}})), 52.5, 0.02 * 52.5);
  EXPECT_NEAR(together(wrx90, who({{0, 4}, {1, 5}})), 52.1, 0.02 * 52.1);
  EXPECT_NEAR(together(wrx90, who({{0, 4}, {1, 8}})), 13.5, 0.02 * 13.5);
  EXPECT_NEAR(together(wrx90, who({{0, 4}, {1, 8}, {2, 12}})), 12.6, 0.08 * 12.6);
  EXPECT_NEAR(together(wrx90, who({{0, 4}, {4, 8}, {8, 12}, {12, 0}})), 197.8, 0.07 * 197.8);
  EXPECT_NEAR(together(machine(switches(4, 4, 54.4, 52.5, "")), who({{0, 4}, {1, 8}})), 52.5, 0.02 * 52.5) << "no model, no collapse";
}

// Four GPUs of one switch, all to all: by loads 121 of 217 GB/s (wrx90-cpayne-2switch-flat.md), 126 (wrx90-cpayne-microchip-switches.md); by stores
// 163.6 (asrockrack-turin-cpayne-16gpu.md).
TEST(Links, APortThatServesSeveralAtOnceGivesItsSwitchsShare) {
  const auto flat = machine(switches(1, 4, 54.4, 53, ", exchange_loads: 0.57"));
  EXPECT_NEAR(together(flat, everyone(0, 4), How::loads), 123.5, 0.03 * 123.5);
  EXPECT_NEAR(together(flat, everyone(0, 4)), 4 * 54.4, 0.03 * 4 * 54.4) << "stores keep all";
  EXPECT_NEAR(together(flat, who({{0, 1}, {1, 2}, {2, 3}, {3, 0}})), 4 * 54.4, 0.02 * 4 * 54.4) << "a ring is no exchange";
  const auto turin = machine(switches(1, 4, 54.4, 53, ", exchange: 0.75, exchange_loads: 0.57"));
  EXPECT_NEAR(together(turin, everyone(0, 4)), 163.6, 0.03 * 163.6);
  EXPECT_NEAR(together(turin, who({{0, 1}}), How::loads), 54.4, 0.02 * 54.4) << "one load alone";
}

// Eight RTX 3090 without peer access (NVIDIA/nccl issue 1127): both ways under one switch 6.12 in all, across two 8.57, which only memory explains.
TEST(Links, DataByWayOfHostMemoryCostsItTwice) {
  const auto plx = machine(switches(2, 4, 12, 6.12, "", "memory: 17.14 GB/s"));
  EXPECT_NEAR(together(plx, who({{0, 1}, {1, 0}}), How::staged), 6.12, 0.03 * 6.12);
  EXPECT_NEAR(together(plx, who({{0, 4}, {4, 0}}), How::staged), 8.57, 0.03 * 8.57);
  EXPECT_NEAR(together(machine(switches(2, 4, 12, 6.12, "", "forwards_peers: false")), who({{0, 4}, {4, 0}}), How::staged), 12.24, 0.03 * 12.24);
  // A peer access does not touch the memory, and passes the root complex once.
  const auto passes = machine(switches(2, 4, 12, 12, "", "memory: 1 GB/s, root_complex: 10 GB/s, forwards_peers: true"));
  EXPECT_NEAR(together(passes, who({{0, 4}})), 10, 0.03 * 10);
  const auto stages = machine(switches(2, 4, 12, 12, "", "root_complex: 10 GB/s"));
  EXPECT_NEAR(together(stages, who({{0, 4}}), How::staged), 5, 0.05 * 5);
}

std::string on_root(int gpus, const std::string& rates, const std::string& host) {
  std::string text = "version: 1\nname: root\nnodes:\n";
  for (int g = 0; g < gpus; ++g) text += fmt::format("  - {{name: gpu{}, kind: gpu}}\n", g);
  text += "  - {name: root, kind: host" + host + "}\nlinks:\n";
  for (int g = 0; g < gpus; ++g) text += fmt::format("  - {{between: [gpu{}, root], {}, kind: pcie}}\n", g, rates);
  return text;
}

// Six GPUs of NVIDIA/nccl issue 814: 22.2 GB/s a pair without peer access, 9.9 with it.
TEST(Links, OneLinkHasTwoRates) {
  const std::string rates = "bandwidth: 22.2 GB/s, peers: 9.9 GB/s";
  EXPECT_NEAR(together(machine(on_root(6, rates, "")), who({{0, 2}}), How::staged), 22.2, 0.02 * 22.2);
  EXPECT_NEAR(together(machine(on_root(6, rates, ", forwards_peers: true")), who({{0, 2}})), 9.9, 0.02 * 9.9);
}

TEST(Links, ADirectionHasALimitAndBothTogetherHaveOne) {
  const auto half = machine(on_root(2, "bandwidth: 53.5 GB/s, both: 101 GB/s", ", forwards_peers: true"));
  EXPECT_NEAR(together(half, who({{0, 1}})), 53.5, 0.02 * 53.5);
  EXPECT_NEAR(together(half, who({{0, 1}, {1, 0}})), 101, 0.02 * 101);
}

// Kernels wait for what they load, copy engines do not: 1.9 GB/s where copies make 12.5.
TEST(Links, KernelsThatLoadHostMemoryAreSlowerThanCopyEngines) {
  const auto stock = machine(on_root(2, "bandwidth: 12.5 GB/s, host_loads: 1.9 GB/s", ""));
  EXPECT_NEAR(together(stock, who({{0, 1}}), How::staged), 1.9, 0.02 * 1.9);
  EXPECT_NEAR(together(stock, who({{0, 1}}), How::staged_by_engines), 12.5, 0.02 * 12.5);
}

TEST(Links, LoadsAndStoresOfOneLinkDiffer) {
  const auto uneven = machine(on_root(2, "bandwidth: 20 GB/s, loads: 5 GB/s, stores: 10 GB/s", ", forwards_peers: true"));
  EXPECT_NEAR(together(uneven, who({{0, 1}})), 10, 0.02 * 10);
  EXPECT_NEAR(together(uneven, who({{0, 1}}), How::loads), 5, 0.02 * 5);
}

// Two sockets with less for both directions together (wrx90-cpayne and asus: 38 GB/s one way, 70 both).
TEST(Links, SocketsCarryLessBothWaysThanTwiceOneWay) {
  const auto two = machine(R"(version: 1
name: sockets
nodes:
  - {name: gpu0, kind: gpu}
  - {name: gpu1, kind: gpu}
  - {name: socket0, kind: host, forwards_peers: true}
  - {name: socket1, kind: host, forwards_peers: true}
links:
  - {between: [gpu0, socket0], bandwidth: 53.5 GB/s, kind: pcie}
  - {between: [gpu1, socket1], bandwidth: 53.5 GB/s, kind: pcie}
  - {between: [socket0, socket1], bandwidth: 38 GB/s, both: 70 GB/s, kind: upi}
)");
  EXPECT_NEAR(together(two, who({{0, 1}})), 38, 0.02 * 38);
  EXPECT_NEAR(together(two, who({{0, 1}, {1, 0}})), 70, 0.02 * 70);
}

// GB/s of two GPUs that store to each other, joined by the links given.
double exchanged(const std::string& links) {
  return together(machine("version: 1\nname: pair\nnodes: [{name: gpu0, kind: gpu}, {name: gpu1, kind: gpu}]\nlinks:\n" + links),
                  who({{0, 1}, {1, 0}}));
}

TEST(Links, WhatParallelLinksShareAddsUpAsTheirBandwidthsDo) {
  const std::string half = "  - {between: [gpu0, gpu1], bandwidth: 50 GB/s, both: 75 GB/s}\n";
  const auto one = exchanged("  - {between: [gpu0, gpu1], bandwidth: 100 GB/s, both: 150 GB/s}\n");
  EXPECT_NEAR(one, 150, 0.02 * 150);
  EXPECT_NEAR(exchanged(half + half), one, 0.001 * one);
  const std::string peers = "  - {between: [gpu0, gpu1], bandwidth: 50 GB/s, peers: 30 GB/s}\n";
  EXPECT_NEAR(exchanged(peers + peers), 120, 0.02 * 120);
  // What goes over both is held up by the one that has a limit: half of it, at most 75 GB/s both ways.
  EXPECT_NEAR(exchanged(half + "  - {between: [gpu0, gpu1], bandwidth: 50 GB/s}\n"), 150, 0.02 * 150);
  // A budget of one link of three as wide counts a third of what goes over all, both ways.
  EXPECT_NEAR(exchanged("  - {between: [gpu0, gpu1], bandwidth: 10 GB/s, both: 10 GB/s}\n  - {between: [gpu0, gpu1], bandwidth: 20 GB/s}\n"), 30,
              0.02 * 30);
}

TEST(Links, TwoParallelLinksCarryOneCopyTogether) {
  const auto two = machine(R"(version: 1
name: pair
nodes:
  - {name: gpu0, kind: gpu}
  - {name: gpu1, kind: gpu}
links:
  - {between: [gpu0, gpu1], bandwidth: 20 GB/s, kind: nvlink}
  - {between: [gpu0, gpu1], bandwidth: 20 GB/s, kind: nvlink}
)");
  EXPECT_NEAR(together(two, who({{0, 1}})), 40, 0.02 * 40);
}

}  // namespace
}  // namespace p2plab::links_test
