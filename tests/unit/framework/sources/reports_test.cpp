// SPDX-License-Identifier: Apache-2.0
// More machines from public reports (the issue trackers named; facts only, rebuilt), whose answers were written down before they were read.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "p2plab/bounds/place.h"
#include "p2plab/machine/topology_import.h"
#include "p2plab/machine/topology_view.h"
#include "p2plab/program/peer_access.h"
#include "support/described.h"

namespace p2plab::reports_test {
namespace {

using test::best_gpus;
using test::busbw;
using test::count;
using test::field;
using test::import_field;
using test::reaches;
using test::source;
using test::width;
using test::word;

bool halves_are_best(const Topology& topology) {
  const auto gpus = best_gpus(topology, 4);
  return gpus == std::set<int>{0, 1, 2, 3} || gpus == std::set<int>{4, 5, 6, 7};
}

// NVIDIA/nccl 1086: within a socket slower than across: the driver refuses peer access, so PIX is no way of theirs.
TEST(Reports, Eight4090OnTwoSwitchesGoThroughHostMemory) {
  const auto eight = field("51_8x4090_pix_quads.txt", {.gpu = "NVIDIA GeForce RTX 4090"});
  EXPECT_EQ(count(eight, NodeKind::host), 2);
  EXPECT_FALSE(reaches(eight, 0, 1));
  EXPECT_EQ(word(eight, 0, 1), "PHB");
  EXPECT_EQ(word(eight, 0, 4), "SYS");
  ASSERT_NE(source(eight, "peer access"), nullptr);
  EXPECT_EQ(source(eight, "peer access")->origin, Origin::known);
  EXPECT_EQ(source(eight, "NODE"), nullptr);  // that is the interface's word
  const auto pairs = *place(eight, 2);
  EXPECT_NE(pairs.front().gpus[0].value / 4, pairs.front().gpus[1].value / 4);  // one of each socket: two behind one switch share its way up
}

// NVIDIA/nccl 1530: all SYS, four NUMA nodes of 3, 1, 3 and 1 GPUs.
TEST(Reports, FourNumaNodesThatAreSysAreTwoSocketsOfFour) {
  const auto eight = field("52_8gpu_nps2_all_sys.txt", {.gpu = "a10"});
  EXPECT_EQ(count(eight, NodeKind::host), 2);
  EXPECT_EQ(width(eight, 0, 3), width(eight, 0, 1));
  EXPECT_LT(width(eight, 0, 4), width(eight, 0, 1));
  ASSERT_NE(source(eight, "sockets"), nullptr);
  EXPECT_EQ(source(eight, "sockets")->key, "sockets");
  EXPECT_TRUE(halves_are_best(eight));
}

// NVIDIA/nccl 1439.
TEST(Reports, PairsOnSwitchesBehindOneBridgeOfEachSocket) {
  const auto eight = field("53_8gpu_pix_phb_sys.txt", {.gpu = "a10"});
  EXPECT_EQ(count(eight, NodeKind::pcie_switch), 4);
  EXPECT_EQ(count(eight, NodeKind::host), 2);
  EXPECT_EQ(word(eight, 0, 2), "PHB");
  EXPECT_EQ(source(eight, "NODE"), nullptr);
  EXPECT_TRUE(halves_are_best(eight));
}

// NVIDIA/nccl-tests 178: 208 GB/s busbw in a pair, 20 among three.
TEST(Reports, BridgedA100AreFastInPairsAndPcieBeyond) {
  const auto eight = field("54_8xa100_nv12_pairs.txt");
  EXPECT_EQ(count(eight, NodeKind::nvswitch), 0);
  EXPECT_EQ(width(eight, 0, 1), 300);
  EXPECT_NEAR(width(eight, 0, 2), 31.508, 0.001);
  EXPECT_EQ(word(eight, 0, 1), "NV12");
  const auto pair = *place(eight, 2);
  EXPECT_NEAR(pair.front().busbw_gbps, 300, 1e-6);
  const auto three = *place(eight, 3);
  EXPECT_GE(three.front().busbw_gbps, 20);
  EXPECT_LE(three.front().busbw_gbps, 63);
}

// NVIDIA/nccl 1617: four H100 on one board, no switch; CPUs are lists.
TEST(Reports, FourH100WithSixLinksAPairAreAMesh) {
  const auto four = field("55_4xh100_nv6.txt");
  EXPECT_EQ(count(four, NodeKind::nvswitch), 0);
  EXPECT_EQ(width(four, 0, 3), 150);
  EXPECT_NEAR(busbw(four), 450, 1e-6);
}

// NVIDIA/nccl 557: a bridge that sits badly: three of four links.
TEST(Reports, ABridgeWithThreeOfFourLinksIsOdd) {
  const auto imported = import_field("57_2x3090_nv3.txt", {.gpu = "3090"});
  ASSERT_TRUE(imported) << describe(imported.error());
  EXPECT_NEAR(width(imported->topology, 0, 1), 3 * 14.0625, 1e-6);
  EXPECT_EQ(imported->warnings.front(),
            "GeForce RTX 3090 has 4 NVLinks, but gpu0-1 shows 3: a bridge that sits badly, a link that is down, or links that lead to no other GPU "
            "(nvidia-smi nvlink -s says more)");
}

// noonghunna/club-3090 1229, 922 and 1125: `topo -p2p` beside the matrix, for reads and writes, plain and indented.
TEST(Reports, MatricesOfPeersAreReadAsPeoplePasteThem) {
  const auto refused = field("58_2x5090_gns.txt", {.gpu = "5090"});
  EXPECT_EQ(source(refused, "peer access")->value, "none: data between GPUs goes through host memory (GNS)");
  EXPECT_NE(source(refused, "peer access")->source.find("the GPU does not support it"), std::string::npos);
  const auto patched = field("59_2x3090_patched.txt", {.gpu = "3090"});
  EXPECT_EQ(source(patched, "peer access")->value, "between all GPUs");
  EXPECT_EQ(source(patched, "peer access")->origin, Origin::read);
  const auto indented = field("60_2gpu_node_ns_indented.txt", {.gpu = "3090"});
  EXPECT_EQ(source(indented, "peer access")->value, "none: data between GPUs goes through host memory (NS)");
  EXPECT_EQ(word(indented, 0, 1), "NODE");
}

// deepseek-ai/DeepEP 60.
TEST(Reports, AViewThatCannotShowNvlinkIsSaidToBeOne) {
  const auto imported = import_field("62_8gpu_topo_mp.txt", {.gpu = "H800"});
  ASSERT_TRUE(imported) << describe(imported.error());
  const bool said = std::ranges::any_of(imported->warnings, [](const std::string& text) { return text.find("topo -mp") != std::string::npos; });
  EXPECT_TRUE(said);
  EXPECT_EQ(count(imported->topology, NodeKind::host), 2);
}

// ROCm 4740: NUMA nodes alone tell no link.
TEST(Reports, NumaNodesAloneAreNoMachine) {
  const auto imported = import_field("63_rocm_numa_only.txt");
  ASSERT_FALSE(imported);
  EXPECT_NE(describe(imported.error()).find("--showtopo"), std::string::npos) << describe(imported.error());
}

// NVIDIA/nccl 814: an XML of RTX 4090 under one Rome, which NCCL joined without peer access.
TEST(Reports, AnXmlOf4090NamesThemByTheirPciDevice) {
  const auto five = field("64_4090_rome.xml");
  EXPECT_EQ(five.ranks(), 5);
  EXPECT_NEAR(width(five, 0, 4), 31.508 / 2, 0.001);  // through host memory
  EXPECT_FALSE(reaches(five, 0, 1));
  ASSERT_NE(source(five, "GPUs"), nullptr);
  EXPECT_EQ(source(five, "GPUs")->value, "GeForce RTX 4090");
}

}  // namespace
}  // namespace p2plab::reports_test
