// SPDX-License-Identifier: Apache-2.0
// Further machines from public reports (issue trackers and papers of the projects named; facts only, rebuilt), of the same kinds as in field_test.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "p2plab/bounds/place.h"
#include "p2plab/machine/islands.h"
#include "p2plab/machine/topology_import.h"
#include "p2plab/machine/topology_view.h"
#include "support/described.h"

namespace p2plab::more_field_test {
namespace {

using test::best_gpus;
using test::busbw;
using test::count;
using test::field;
using test::width;
using test::word;

// NVIDIA/nccl 1817: pairs on switches, two sockets.
TEST(MoreField, PairsOnSwitchesUnderTwoSockets) {
  const auto machine = field("31_8gpu_pix_node_sys.txt", {.gpu = "L40S"});
  EXPECT_EQ(count(machine, NodeKind::pcie_switch), 4);
  EXPECT_EQ(count(machine, NodeKind::host), 2);
  const auto best = best_gpus(machine, 4);
  EXPECT_TRUE((best == std::set<int>{0, 1, 2, 3} || best == std::set<int>{4, 5, 6, 7}));
  EXPECT_EQ(best_gpus(machine, 2).size(), 2U);
  EXPECT_EQ(word(machine, 0, 2), "NODE");
}

// NVIDIA/nccl 1435: eight A100 on NVSwitch, four NUMA nodes in NPS4.
TEST(MoreField, A100OnNvswitchWhateverTheirNumaNodes) {
  const auto machine = field("32_a100_nps4_nics.txt");
  EXPECT_EQ(count(machine, NodeKind::nvswitch), 1);
  EXPECT_NEAR(busbw(machine), 300, 1e-6);
  EXPECT_EQ(word(machine, 0, 7), "NV12");
  EXPECT_EQ(count(field("32_a100_nps4_nics.txt", {.pcie_beside_nvlink = true}), NodeKind::host), 2);  // nodes 1 and 3, 5 and 7
}

// NVIDIA/nccl 1453: eight H100 with nine interfaces, one of them SYS to all.
TEST(MoreField, H100OnNvswitchWithNineInterfaces) {
  const auto machine = field("33_h100_nv18_nics.txt");
  EXPECT_NEAR(busbw(machine), 450, 1e-6);
  EXPECT_EQ(count(machine, NodeKind::nic), 0);
}

// NVIDIA/nccl-tests 78: a DGX-2.
TEST(MoreField, ADgx2HasSixteenOnNvswitch) {
  const auto machine = field("34_dgx2_nv6.txt");
  EXPECT_EQ(machine.ranks(), 16);
  EXPECT_EQ(count(machine, NodeKind::nvswitch), 1);
  EXPECT_NEAR(busbw(machine), 150, 1e-6);
}

// axolotl 536: two switches of four in one NUMA node.
TEST(MoreField, TwoSwitchesInOneNumaNodeAreOneSocket) {
  const auto machine = field("35_8gpu_two_switches_one_node.txt", {.gpu = "a10"});
  EXPECT_EQ(count(machine, NodeKind::host), 1);
  EXPECT_EQ(count(machine, NodeKind::pcie_switch), 2);
  const auto best = best_gpus(machine, 4);
  EXPECT_TRUE((best == std::set<int>{0, 1, 2, 3} || best == std::set<int>{4, 5, 6, 7}));
}

// NVIDIA/nccl 933: eight A800, eight NVLinks each.
TEST(MoreField, A800HaveEightLinksEach) {
  EXPECT_NEAR(busbw(field("36_a800_nv8.txt")), 200, 1e-6);
  EXPECT_NEAR(busbw(field("36_a800_nv8.txt", {.gpu = "NVIDIA A800-SXM4-80GB"})), 200, 1e-6);
}

// PaddlePaddle: eight P40, old words, an interface at the other socket.
TEST(MoreField, OldWordsStayAndTheFarInterfaceAddsNoSocket) {
  const auto machine = field("37_p40_soc_nic.txt", {.gpu = "Tesla P40"});
  EXPECT_EQ(count(machine, NodeKind::host), 1);
  EXPECT_EQ(count(machine, NodeKind::pcie_switch), 3);  // two of four, one above
  EXPECT_NEAR(width(machine, 0, 4), 15.754, 0.001);
  EXPECT_EQ(word(machine, 0, 4), "PXB");
}

// TensorFlow's GDR page: two sockets of two, SOC between.
TEST(MoreField, SocJoinsTwoSockets) {
  const auto machine = field("38_4gpu_phb_soc.txt");
  EXPECT_EQ(count(machine, NodeKind::host), 2);
  EXPECT_EQ(word(machine, 0, 2), "SOC");
  EXPECT_LT(width(machine, 0, 2), width(machine, 0, 1));
}

// A DGX-1 in a container that sees one CPU: its affinity says nothing, its NVLinks all.
TEST(MoreField, ADgx1WithOneCpuVisibleIsItsCubeMesh) {
  const auto machine = field("39_dgx1_p100_cgroup.txt", {.gpu = "p100"});
  EXPECT_EQ(machine.links().size(), 32U);
  EXPECT_EQ(width(machine, 0, 4), 20);
  const auto best = best_gpus(machine, 4);
  EXPECT_TRUE((best == std::set<int>{0, 1, 2, 3} || best == std::set<int>{4, 5, 6, 7}));
}

// Two pairs of interfaces on switches of their own.
TEST(MoreField, InterfacesOnSwitchesChangeNothing) {
  const auto machine = field("40_4gpu_nics_pix.txt", {.gpu = "a40"});
  EXPECT_EQ(count(machine, NodeKind::host), 2);
  EXPECT_EQ(count(machine, NodeKind::pcie_switch), 0);
  EXPECT_EQ(best_gpus(machine, 2).size(), 2U);
  EXPECT_EQ(word(machine, 0, 1), "NODE");
}

// amd-smi topology: two GPUs over PCIe; eight on xGMI; ROCm's older text of four APUs.
TEST(MoreField, TablesOfAmdSmi) {
  const auto pair = field("41_amd_smi_pcie_pair.txt");
  EXPECT_EQ(pair.ranks(), 2);
  EXPECT_EQ(word(pair, 0, 1), "PCIE");
  const auto eight = field("42_amd_smi_8_xgmi.txt");
  EXPECT_EQ(eight.ranks(), 8);
  EXPECT_EQ(eight.links().size(), 56U);
  EXPECT_EQ(width(eight, 0, 7), 64);
  EXPECT_NEAR(busbw(field("42_amd_smi_8_xgmi.txt", {.gpu = "MI300X"})), 7 * 64, 1e-6);
  const auto apus = field("43_rocm_4_apus.txt", {.gpu = "MI300A"});
  EXPECT_EQ(apus.ranks(), 4);
  EXPECT_EQ(count(apus, NodeKind::host), 0);  // xGMI joins them all
}

}  // namespace
}  // namespace p2plab::more_field_test
