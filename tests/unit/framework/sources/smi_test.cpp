// SPDX-License-Identifier: Apache-2.0
// The text of nvidia-smi topo -m becomes a graph; NV# behind NVSwitches counts NVLinks of a GPU, not of a pair.
#include <gtest/gtest.h>

#include <algorithm>

#include "p2plab/machine/topology_import.h"
#include "support/described.h"
#include "support/rates.h"

namespace p2plab::smi_test {
namespace {

using test::capacity;
using test::count;
using test::rate;

// All pairs with the same word, one NUMA node.
std::string uniform(int gpus, const std::string& word) {
  std::string text;
  for (int i = 0; i < gpus; ++i) text += "\tGPU" + std::to_string(i);
  text += "\tCPU Affinity\tNUMA Affinity\n";
  for (int i = 0; i < gpus; ++i) {
    text += "GPU" + std::to_string(i);
    for (int k = 0; k < gpus; ++k) text += i == k ? "\t X " : "\t" + word;
    text += "\t0-63\t0\n";
  }
  return text;
}
Topology machine(const std::string& text, const MachineAnswers& options = {}) {
  const auto imported = import_smi(text, "x.txt", options);
  EXPECT_TRUE(imported) << describe(imported.error());
  return imported->topology;
}
std::string import_error(const std::string& text) {
  const auto imported = import_smi(text, "x.txt");
  return imported ? "accepted" : describe(imported.error());
}

TEST(Smi, DescribesTheSameMachineAsNcclsFile) {
  const auto smi = load_smi(P2PLAB_SOURCE_DIR "/tests/data/h200x4_smi_topo_m.txt", {.gpu = "h200"});
  const auto xml = load_nccl_xml(P2PLAB_SOURCE_DIR "/tests/data/h200x4_nccl_topo.xml");
  ASSERT_TRUE(smi) << describe(smi.error());
  ASSERT_TRUE(xml);
  EXPECT_TRUE(smi->warnings.empty());
  ASSERT_EQ(smi->topology.ranks(), xml->topology.ranks());
  for (int a = 0; a < 4; ++a) {
    for (int b = 0; b < 4; ++b) EXPECT_EQ(capacity(smi->topology, a, b), capacity(xml->topology, a, b));
    const auto gpu = "gpu" + std::to_string(a);
    EXPECT_EQ(rate(smi->topology, gpu, "nvswitch0"), rate(xml->topology, gpu, "nvswitch0"));
    EXPECT_EQ(rate(smi->topology, gpu, "host0"), rate(xml->topology, gpu, "host0"));
  }
}

TEST(Smi, GuessesTheGpuAndSaysSo) {
  const auto imported = *import_smi(uniform(4, "NV18"), "x.txt");
  EXPECT_EQ(rate(imported.topology, "gpu0", "nvswitch0"), GBps(450));
  EXPECT_EQ(imported.warnings,
            std::vector<std::string>{"NVLink of gpu0-3: the text does not name the GPU, as of H100 SXM; assumed: 450 GB/s (--machine gpu=... "
                                     "answers it)"});
  EXPECT_EQ(rate(machine(uniform(8, "NV18"), {.gpu = "b200"}), "gpu0", "nvswitch0"), GBps(900));
}

// A DGX Spark: its GPU is on the CPU's chip link, and no PCIe device that could tell the NICs' rate.
TEST(Smi, AGpuWithoutPcieLeavesTheRateOfNicsOpen) {
  const std::string text = "\tGPU0\tNIC0\tCPU Affinity\tNUMA Affinity\nGPU0\t X \tNODE\t0-19\t0\nNIC0\tNODE\t X \t\t\n";
  const auto imported = import_smi(text, "x.txt", {.gpu = "gb10"});
  ASSERT_TRUE(imported) << imported.error().message;
  EXPECT_EQ(rate(imported->topology, "gpu0", "host0"), GBps(345));
  EXPECT_NEAR(rate(imported->topology, "nic0", "host0").gbps(), 15.754, 0.001);
  ASSERT_EQ(imported->warnings.size(), 1U);
  EXPECT_TRUE(imported->warnings[0].starts_with("PCIe of nic0: GB10 has no PCIe")) << imported->warnings[0];
}

TEST(Smi, EqualLanesBetweenAllPairsAreDirectOnlyIfAGpuHasSoMany) {
  EXPECT_EQ(count(machine(uniform(8, "NV12")), NodeKind::nvswitch), 1);  // A100: 84 NVLinks do not exist
  EXPECT_EQ(count(machine(uniform(16, "NV6")), NodeKind::nvswitch), 1);  // DGX-2
  EXPECT_EQ(count(machine(uniform(3, "NV8")), NodeKind::nvswitch), 1);   // three A800: no board joins three GPUs by 8 NVLinks a pair
  EXPECT_EQ(count(machine(uniform(4, "NV4")), NodeKind::nvswitch), 0);   // four A100 on one board: 12 NVLinks each
  EXPECT_EQ(count(machine(uniform(4, "NV6")), NodeKind::nvswitch), 0);   // four H100 on one board: 18 NVLinks each
  EXPECT_EQ(count(machine(uniform(4, "NV2")), NodeKind::nvswitch), 0);   // four V100 on one board: 6 NVLinks each
  EXPECT_EQ(count(machine(uniform(2, "NV4")), NodeKind::nvswitch), 0);   // a bridge
  EXPECT_EQ(capacity(machine(uniform(2, "NV18")), 0, 1), GBps(450));     // a pair, or two of a switched machine: the same
  EXPECT_EQ(capacity(machine(uniform(4, "NV4")), 0, 1), GBps(100));
  EXPECT_EQ(capacity(machine(uniform(2, "NV4")), 0, 1), GBps(56.25));  // RTX 3090, A6000
  // Named, three V100 of a DGX-2 have too few NVLinks for a direct triangle.
  EXPECT_EQ(count(machine(uniform(3, "NV6")), NodeKind::nvswitch), 0);
  EXPECT_EQ(count(machine(uniform(3, "NV6"), {.gpu = "v100"}), NodeKind::nvswitch), 1);
}

TEST(Smi, ADegradedLaneBehindASwitchIsTheGpusOwn) {
  const auto text = "\tGPU0\tGPU1\tGPU2\tCPU Affinity\nGPU0\t X \tNV18\tNV17\t0-3\nGPU1\tNV18\t X \tNV17\t0-3\nGPU2\tNV17\tNV17\t X \t0-3\n";
  const auto topology = machine(text);
  EXPECT_EQ(rate(topology, "gpu0", "nvswitch0"), GBps(450));
  EXPECT_EQ(rate(topology, "gpu2", "nvswitch0"), GBps(425));
}

// A DGX-1 with V100, as its owners post it (driver 384): eight GPUs in a hybrid cube mesh, four network interfaces.
const char* const dgx1 =
    "\tGPU0\tGPU1\tGPU2\tGPU3\tGPU4\tGPU5\tGPU6\tGPU7\tmlx5_0\tmlx5_2\tmlx5_1\tmlx5_3\tCPU Affinity\n"
    "GPU0\t X \tNV1\tNV1\tNV2\tNV2\tSYS\tSYS\tSYS\tPIX\tSYS\tPHB\tSYS\t0-19,40-59\n"
    "GPU1\tNV1\t X \tNV2\tNV1\tSYS\tNV2\tSYS\tSYS\tPIX\tSYS\tPHB\tSYS\t0-19,40-59\n"
    "GPU2\tNV1\tNV2\t X \tNV2\tSYS\tSYS\tNV1\tSYS\tPHB\tSYS\tPIX\tSYS\t0-19,40-59\n"
    "GPU3\tNV2\tNV1\tNV2\t X \tSYS\tSYS\tSYS\tNV1\tPHB\tSYS\tPIX\tSYS\t0-19,40-59\n"
    "GPU4\tNV2\tSYS\tSYS\tSYS\t X \tNV1\tNV1\tNV2\tSYS\tPIX\tSYS\tPHB\t20-39,60-79\n"
    "GPU5\tSYS\tNV2\tSYS\tSYS\tNV1\t X \tNV2\tNV1\tSYS\tPIX\tSYS\tPHB\t20-39,60-79\n"
    "GPU6\tSYS\tSYS\tNV1\tSYS\tNV1\tNV2\t X \tNV2\tSYS\tPHB\tSYS\tPIX\t20-39,60-79\n"
    "GPU7\tSYS\tSYS\tSYS\tNV1\tNV2\tNV1\tNV2\t X \tSYS\tPHB\tSYS\tPIX\t20-39,60-79\n"
    "mlx5_0\tPIX\tPIX\tPHB\tPHB\tSYS\tSYS\tSYS\tSYS\t X \tSYS\tPHB\tSYS\t\n"
    "mlx5_2\tSYS\tSYS\tSYS\tSYS\tPIX\tPIX\tPHB\tPHB\tSYS\t X \tSYS\tPHB\t\n"
    "mlx5_1\tPHB\tPHB\tPIX\tPIX\tSYS\tSYS\tSYS\tSYS\tPHB\tSYS\t X \tSYS\t\n"
    "mlx5_3\tSYS\tSYS\tSYS\tSYS\tPHB\tPHB\tPIX\tPIX\tSYS\tPHB\tSYS\t X \t\n"
    "\nLegend:\n\n  X    = Self\n";

TEST(Smi, ADgx1IsACubeMeshAndItsPcieCarriesNothing) {
  const auto topology = machine(dgx1, {.gpu = "v100"});
  EXPECT_EQ(topology.ranks(), 8);
  EXPECT_EQ(topology.nodes().size(), 8U);
  EXPECT_EQ(rate(topology, "gpu0", "gpu3"), GBps(50));
  EXPECT_EQ(rate(topology, "gpu0", "gpu1"), GBps(25));
  EXPECT_EQ(capacity(topology, 0, 5), Bandwidth{});  // no NVLink: another GPU relays
}

TEST(Smi, PcieBesideNvlinkIsThereForWhoAsks) {
  const auto topology = machine(dgx1, {.gpu = "v100", .pcie_beside_nvlink = true});
  EXPECT_EQ(count(topology, NodeKind::nvswitch), 0);
  EXPECT_EQ(count(topology, NodeKind::pcie_switch), 0);  // no word between two GPUs tells of one
  EXPECT_EQ(count(topology, NodeKind::host), 2);
  EXPECT_EQ(count(topology, NodeKind::nic), 4);
  EXPECT_EQ(rate(topology, "gpu0", "host0").bytes_per_second(), 15'753'846'154);
  // Without NVLink, 0 to 5 goes over both hosts; with it, never over PCIe, though one lane is hardly wider.
  EXPECT_EQ(capacity(topology, 0, 5), GBps(10));
  EXPECT_EQ(capacity(topology, 0, 1), GBps(25));
}

TEST(Smi, PxbJoinsSwitchesBelowTheHost) {
  const auto text =
      "     GPU0 GPU1 GPU2 GPU3 CPU Affinity NUMA Affinity GPU NUMA ID\n"
      "GPU0  X   PIX  PXB  NODE 0-31 0 N/A\n"
      "GPU1 PIX   X   PXB  NODE 0-31 0 N/A\n"
      "GPU2 PXB  PXB   X   NODE 0-31 0 N/A\n"
      "GPU3 NODE NODE NODE  X   0-31 0 N/A\n";
  const auto topology = machine(text, {.gpu = "a10"});
  const std::int64_t port = 31'507'692'308;
  EXPECT_EQ(count(topology, NodeKind::pcie_switch), 2);
  EXPECT_EQ(count(topology, NodeKind::host), 1);
  EXPECT_EQ(rate(topology, "gpu1", "pcie1").bytes_per_second(), port);
  EXPECT_EQ(rate(topology, "pcie1", "pcie0").bytes_per_second(), port);
  EXPECT_EQ(rate(topology, "gpu2", "pcie0").bytes_per_second(), port);
  EXPECT_EQ(rate(topology, "gpu3", "host0").bytes_per_second(), port);
  EXPECT_EQ(topology.links().size(), 12U);
}

TEST(Smi, TwoPairsOverPcieAreTwoPairs) {
  const auto text =
      "\tGPU0\tGPU1\tGPU2\tGPU3\tCPU Affinity\tNUMA Affinity\n"
      "GPU0\t X \tNV4\tSYS\tSYS\t0-15\t0\nGPU1\tNV4\t X \tSYS\tSYS\t0-15\t0\n"
      "GPU2\tSYS\tSYS\t X \tNV4\t16-31\t1\nGPU3\tSYS\tSYS\tNV4\t X \t16-31\t1\n";
  const auto topology = machine(text);
  EXPECT_EQ(capacity(topology, 0, 1), GBps(56.25));
  EXPECT_EQ(capacity(topology, 0, 2), GBps(24));  // as between two CPUs of that PCIe generation
}

TEST(Smi, FaultsNameTheirPlace) {
  const std::string others = "note: nor does it begin as rocm-smi --showtopo, amd-smi topology or ibnetdiscover do, which are read, too\n";
  EXPECT_EQ(import_error("hello\n"), "x.txt: error: no line names the columns GPU0, GPU1, ...: this is no output of nvidia-smi topo -m\n" + others);
  EXPECT_EQ(import_error(""), "x.txt: error: no line names the columns GPU0, GPU1, ...: this is no output of nvidia-smi topo -m\n" + others);
  EXPECT_EQ(import_error("\tGPU0\tGPU1\nGPU0\t X \tPIX\n"), "x.txt:3:1: error: the row of 'GPU1' is missing\n");
  EXPECT_EQ(import_error("\tGPU0\tGPU1\nGPU0\t X \n"), "x.txt:2:1: error: the row of 'GPU0' has 1 cells, 2 expected\n  GPU0\t X \n  ^\n");
  EXPECT_EQ(import_error("\tGPU0\tGPU1\nGPU0 X PIXX\n"),
            "x.txt:2:8: error: unknown connection 'PIXX'\n  GPU0 X PIXX\n         ^\nnote: did you mean 'PIX'?\n"
            "note: known: X, PIX, PSB, PXB, PHB, NODE, SYS, SOC, NV and a number of NVLinks\n");
  EXPECT_EQ(import_error("\tGPU0\tGPU1\nGPU0 X NV0\n").substr(0, 43), "x.txt:2:8: error: unknown connection 'NV0'\n");
  EXPECT_EQ(import_error("\tGPU0\tGPU1\nGPU1 X PIX\n"), "x.txt:2:1: error: expected the row of 'GPU0', found 'GPU1'\n  GPU1 X PIX\n  ^\n");
  EXPECT_EQ(import_error("\tGPU0\tGPU1\nGPU0 PIX X\n"), "x.txt:2:6: error: X stands on the diagonal, and only there\n  GPU0 PIX X\n       ^\n");
  EXPECT_EQ(import_error("\tGPU0\tGPU1\nGPU0 X PIX\nGPU1 NV2 X\n"), "x.txt: error: GPU1 to GPU0 differs from GPU0 to GPU1\n");
  EXPECT_EQ(describe(import_smi(uniform(2, "NV4"), "x.txt", {.gpu = "h20o"}).error()).substr(0, 43), "error: unknown gpu 'h20o'\nnote: did you mea");
}

}  // namespace
}  // namespace p2plab::smi_test
