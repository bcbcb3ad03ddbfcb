// SPDX-License-Identifier: Apache-2.0
// Parts that are unlike their brothers are found, and what the machine would be without that.
#include <gtest/gtest.h>

#include <algorithm>

#include "p2plab/bounds/place.h"
#include "p2plab/machine/assumptions.h"
#include "p2plab/machine/mask.h"
#include "p2plab/machine/oddities.h"
#include "p2plab/machine/presets.h"
#include "p2plab/machine/topology_import.h"
#include "support/described.h"

namespace p2plab::oddities_test {
namespace {

using test::busbw;

Topology lost_lane() { return *apply_mask(*resolve_topology("hgx-h200"), {.links = {{.from = "gpu3", .to = "nvswitch0", .bandwidth = GBps(25)}}}); }

TEST(Oddities, WholeMachinesHaveNone) {
  for (const auto* name : {"dgx-v100", "dgx-a100", "hgx-h200", "mi250x", "mi300x", "pcie-server", "nvlink-pairs", "nvlink-quads"})
    EXPECT_TRUE(find_oddities(*resolve_topology(name)).empty()) << name;
}

TEST(Oddities, ALostLaneIsNamedAndItsCostFollows) {
  const auto machine = lost_lane();
  const auto odd = find_oddities(machine);
  ASSERT_EQ(odd.size(), 1U);
  EXPECT_EQ(odd[0].what, "gpu3 has 425 GB/s of NVLink in one direction where the others have 450 GB/s");
  ASSERT_TRUE(odd[0].healed);
  EXPECT_NEAR(busbw(*odd[0].healed), 450, 1e-6);
  EXPECT_LT(busbw(machine), 450);
}

TEST(Oddities, HalfWidthAndOneSlowDirectionAreFound) {
  const auto half =
      *apply_mask(*resolve_topology("pcie-server:gpus=4,switches=0,sockets=1"), {.links = {{.from = "gpu1", .to = "socket0", .fraction = 0.5}}});
  ASSERT_EQ(find_oddities(half).size(), 1U);
  EXPECT_EQ(find_oddities(half)[0].what, "gpu1 has 12 GB/s of PCIe in one direction where the others have 24 GB/s");
  const auto slow =
      *apply_mask(*resolve_topology("hgx-h200:gpus=4"), {.links = {{.from = "nvswitch0", .to = "gpu2", .both_directions = false, .fraction = 0.5}}});
  ASSERT_EQ(find_oddities(slow).size(), 1U);
  EXPECT_EQ(find_oddities(slow)[0].what, "gpu2 -> nvswitch0 has 450 GB/s, but the way back 225 GB/s");
}

// The port above a switch at half width, which no GPU's own link shows; and of two GPUs one in a slot of eight lanes.
TEST(Oddities, NarrowPortsAboveSwitchesAndOneOfTwoGpusAreFound) {
  const auto uplink = *apply_mask(*resolve_topology("pcie-server"), {.links = {{.from = "pcie2", .to = "socket1", .fraction = 0.5}}});
  const auto odd = find_oddities(uplink);
  ASSERT_EQ(odd.size(), 1U);
  EXPECT_EQ(odd[0].what, "pcie2 has 12 GB/s of PCIe upwards in one direction where the others have 24 GB/s");
  ASSERT_TRUE(odd[0].healed);
  EXPECT_EQ(busbw(*odd[0].healed), busbw(*resolve_topology("pcie-server")));
  const auto two =
      *apply_mask(*resolve_topology("pcie-server:gpus=2,switches=0,sockets=1"), {.links = {{.from = "gpu0", .to = "socket0", .fraction = 0.5}}});
  ASSERT_EQ(find_oddities(two).size(), 1U);
  EXPECT_EQ(find_oddities(two)[0].what, "gpu0 has 12 GB/s of PCIe in one direction where the others have 24 GB/s");
}

TEST(Oddities, SevenOfEightIsSaid) {
  const auto odd = find_oddities(*resolve_topology("hgx-h200:gpus=7"));
  ASSERT_EQ(odd.size(), 1U);
  EXPECT_NE(odd[0].what.find("7 GPUs on an NVSwitch: such machines have 8"), std::string::npos);
}

// Switches with so many GPUs each, below one host.
Topology switches_of(const std::vector<int>& counts) {
  Topology::Builder builder("switches");
  const auto host = builder.add_node({.name = "host0", .kind = NodeKind::host});
  int gpus = 0;
  for (std::size_t s = 0; s < counts.size(); ++s) {
    const auto above = builder.add_node({.name = "pcie" + std::to_string(s), .kind = NodeKind::pcie_switch});
    builder.add_duplex(above, host, LinkKind::pcie, GBps(32), Seconds{1e-6});
    for (int i = 0; i < counts[s]; ++i) {
      const auto gpu = builder.add_node({.name = "gpu" + std::to_string(gpus++)});
      builder.add_duplex(gpu, above, LinkKind::pcie, GBps(32), Seconds{1e-6});
    }
  }
  return *std::move(builder).build();
}

TEST(Oddities, SevenOfEightBelowPcieSwitchesIsSaid) {
  const auto odd = find_oddities(switches_of({3, 4}));
  ASSERT_EQ(odd.size(), 1U);
  EXPECT_EQ(odd[0].what, "pcie0 has 3 GPUs where pcie1 has 4: one may be lost or hidden (CUDA_VISIBLE_DEVICES, containers)");
  EXPECT_EQ(find_oddities(switches_of({4, 4, 3, 4})).size(), 1U);
  for (const auto& whole : {std::vector{4, 4}, {1, 2}, {2, 4}, {4, 5}, {3, 3, 4}}) EXPECT_TRUE(find_oddities(switches_of(whole)).empty());
}

TEST(Place, WholeGpusComeBeforeDamagedOnes) {
  const auto placements = *place(lost_lane(), 4);
  EXPECT_EQ(std::ranges::find(placements.front().gpus, Rank{3}), placements.front().gpus.end());
  EXPECT_NEAR(placements.front().busbw_gbps, 450, 1e-6);
}

TEST(Place, GroupsAreFastInside) {
  const auto quads = *resolve_topology("nvlink-quads");
  const auto groups = place_groups(quads, 4, 2);
  ASSERT_TRUE(groups) << describe(groups.error());
  ASSERT_EQ(groups->size(), 2U);
  std::vector<int> first;
  for (const auto rank : groups->front().gpus) first.push_back(rank.value / 4);
  EXPECT_EQ(std::ranges::count(first, first.front()), 4);
  EXPECT_FALSE(place_groups(quads, 4, 3));
  const auto pairs = *place_groups(*resolve_topology("nvlink-pairs"), 2, 2);
  for (const auto& pair : pairs) EXPECT_NEAR(pair.busbw_gbps, 56.25, 1e-6);
}

TEST(Assumptions, AFigureRestsOnWhatMovesItAlone) {
  const auto text = "GPU0 GPU1 CPU Affinity NUMA Affinity\nGPU0 X SYS 0-3 0\nGPU1 SYS X 4-7 1\n";
  const auto machine = import_smi(text, "x.txt", {.gpu = "l40s"})->topology;
  const auto range = rests_on(machine, [](const Topology& other) { return std::optional{busbw(other)}; });
  ASSERT_EQ(range.on.size(), 1U);
  EXPECT_EQ(range.on[0].value.key, "socket_link");
  EXPECT_NEAR(range.least, 6, 1e-6);
  EXPECT_NEAR(range.most, 31.508, 0.001);  // then PCIe is the narrowest
  EXPECT_TRUE(rests_on(*resolve_topology("hgx-h200"), [](const Topology& other) { return std::optional{busbw(other)}; }).on.empty());
}

TEST(Assumptions, WhatHasNoRangeIsNamedBesideTheFigure) {
  const auto text = "GPU0 GPU1 CPU Affinity NUMA Affinity\nGPU0 X NODE 0-3 0\nGPU1 NODE X 4-7 0\n";
  const auto machine = import_smi(text, "x.txt", {.gpu = "l40s"})->topology;
  const auto range = rests_on(machine, [](const Topology& other) { return std::optional{busbw(other)}; });
  EXPECT_TRUE(range.on.empty());
  EXPECT_EQ(rests_on_text(range, "GB/s"), "  also assumed      peer access over PCIe (between all GPUs), NODE between gpu0-1 (as fast as PHB)\n");
}

// A switch's link upwards that refused pairs share is as wide as PCIe, whatever PCIe turns out to be.
TEST(Assumptions, ABudgetFollowsTheLinksThatShareIt) {
  const auto text =
      "GPU0 GPU1 CPU Affinity NUMA Affinity\nGPU0 X PIX 0-3 0\nGPU1 PIX X 0-3 0\n\n"
      "$ nvidia-smi topo -p2p r\nGPU0 GPU1\nGPU0 X CNS\nGPU1 CNS X\n";
  const auto machine = import_smi(text, "x.txt")->topology;  // no GPU is named: PCIe as of an A10
  ASSERT_EQ(machine.groups().size(), 2U);
  const auto ends = assumed_ends(machine);
  ASSERT_TRUE(ends);
  for (const auto* end : {&ends->slowest, &ends->fastest}) {
    for (const auto& group : end->groups()) EXPECT_EQ(group.bandwidth, end->link(group.links.front()).bandwidth);
  }
  EXPECT_LT(ends->slowest.groups().front().bandwidth, ends->fastest.groups().front().bandwidth);
  EXPECT_FALSE(assumed_ends(*resolve_topology("hgx-h200")));
}

TEST(Assumptions, AScheduleRestsOnWhatItsDataTakes) {
  const auto text = "GPU0 GPU1 GPU2 CPU Affinity NUMA Affinity\nGPU0 X PIX SYS 0-3 0\nGPU1 PIX X SYS 0-3 0\nGPU2 SYS SYS X 4-7 1\n";
  const auto machine = import_smi(text, "x.txt", {.gpu = "l40s", .peer_access = true})->topology;
  std::vector<double> loads(machine.links().size());
  EXPECT_TRUE(open_values(machine, loads).empty());
  for (std::size_t i = 0; i < loads.size(); ++i) loads[i] = machine.links()[i].kind == LinkKind::upi ? 1 : 0;
  const auto open = open_values(machine, loads);
  ASSERT_EQ(open.size(), 1U);
  EXPECT_EQ(open.front().what, "socket link of host0 - host1");
}

}  // namespace
}  // namespace p2plab::oddities_test
