// SPDX-License-Identifier: Apache-2.0
// Peer access pair by pair: data between GPUs that may not reach each other's memory goes through their host, whatever lies nearer.
#include <gtest/gtest.h>

#include <algorithm>

#include "p2plab/bounds/bounds.h"
#include "p2plab/machine/machine_facts.h"
#include "p2plab/machine/topology_import.h"
#include "p2plab/machine/topology_view.h"
#include "p2plab/program/peer_access.h"
#include "support/described.h"

namespace p2plab::peers_test {
namespace {

using test::reaches;
using test::word;

// Two pairs, each behind a switch of one socket.
const std::string two_pairs =
    "     GPU0 GPU1 GPU2 GPU3 CPU Affinity NUMA Affinity GPU NUMA ID\n"
    "GPU0  X   PIX  NODE NODE 0-31  0 N/A\n"
    "GPU1 PIX   X   NODE NODE 0-31  0 N/A\n"
    "GPU2 NODE NODE  X   PIX  0-31  0 N/A\n"
    "GPU3 NODE NODE PIX   X   0-31  0 N/A\n";

// The matrix of `topo -p2p KIND`, in which the first two GPUs do not reach each other.
std::string peers(char kind, const std::string& word) {
  return std::string{"\n$ nvidia-smi topo -p2p "} + kind + "\n     GPU0 GPU1 GPU2 GPU3\nGPU0  X   " + word + "  OK   OK\nGPU1  " + word +
         "   X  OK   OK\nGPU2  OK   OK   X   OK\nGPU3  OK   OK   OK   X\n";
}

Imported imported(const std::string& text, const MachineAnswers& answers = {.gpu = "l40s"}) {
  auto machine = import_smi(text, "topo.txt", answers);
  EXPECT_TRUE(machine) << describe(machine.error());
  return *std::move(machine);
}
std::string peer_source(const Topology& machine) {
  for (const auto& value : machine.sources().values) {
    if (value.what.starts_with("peer access")) return value.value + "; " + value.source;
  }
  return {};
}

TEST(PeerPairs, ARefusedPairGoesThroughItsHostAndTheOthersDoNot) {
  const auto machine = imported(two_pairs + peers('r', "CNS")).topology;
  EXPECT_FALSE(reaches(machine, 0, 1));
  EXPECT_FALSE(reaches(machine, 1, 0));
  EXPECT_TRUE(reaches(machine, 2, 3));
  EXPECT_EQ(word(machine, 0, 1), "PHB");  // not PIX: no such access takes the switch
  EXPECT_EQ(word(machine, 2, 3), "PIX");
  EXPECT_EQ(
      peer_source(machine),
      "between all GPUs but gpu0 - gpu1 (CNS), whose data goes through host memory; topo.txt:8, topo -p2p; CNS: the chipset does not support it");
}

// Both go up and down the one link above their switch: through it, all four at once cannot do more than with the switch.
TEST(PeerPairs, TheLinkAboveTheSwitchStaysOneBudget) {
  const auto open = imported(two_pairs + peers('r', "OK")).topology;
  const auto refused = imported(two_pairs + peers('r', "GNS")).topology;
  const auto all_gather = [](const Topology& machine) { return bound(machine, make_collective(CollectiveKind::all_gather, 4))->algbw_gbps(); };
  EXPECT_GT(all_gather(open), 0);
  EXPECT_LT(all_gather(refused), all_gather(open));
  const auto above = std::ranges::count_if(refused.groups(), [](const LinkGroup& group) { return group.name.starts_with("above bridge"); });
  EXPECT_EQ(above, 2);  // out and in, of the one switch whose GPUs pass it by
}

TEST(PeerPairs, ReadsAndWritesCountAtomicsDoNot) {
  EXPECT_FALSE(reaches(imported(two_pairs + peers('r', "OK") + peers('w', "NS")).topology, 0, 1));
  for (const char kind : {'n', 'a', 'p'}) {
    const auto machine = imported(two_pairs + peers('r', "OK") + peers(kind, "NS"));
    EXPECT_TRUE(reaches(machine.topology, 0, 1)) << kind;
    EXPECT_EQ(
        std::ranges::count(machine.warnings, std::string{"topo.txt:15: the matrix of 'topo -p2p "} + kind + "' says nothing of ways: passed over"), 1)
        << kind;
  }
  const auto nameless = "\n" + peers('r', "OK").substr(peers('r', "OK").find("     GPU0"));
  const auto second = import_smi(two_pairs + nameless + nameless, "topo.txt");
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("a second matrix of topo -p2p"), std::string::npos) << describe(second.error());
}

TEST(PeerPairs, AnAnswerComesBeforeTheMatrixAndTheMatrixBeforeTheTable) {
  EXPECT_TRUE(reaches(imported(two_pairs + peers('r', "CNS"), {.gpu = "l40s", .peer_access = true}).topology, 0, 1));
  EXPECT_FALSE(reaches(imported(two_pairs, {.gpu = "4090"}).topology, 2, 3));
  EXPECT_TRUE(reaches(imported(two_pairs + peers('r', "CNS"), {.gpu = "4090"}).topology, 2, 3));  // a patched driver
  EXPECT_TRUE(reaches(imported(two_pairs).topology, 2, 3));
}

TEST(PeerPairs, NcclsFileNamesTheGpuByItsPciDevice) {
  const auto machine = [](const std::string& device) {
    std::string text = "<system version=\"1\">\n<cpu numaid=\"0\"><pci busid=\"0000:01:00.0\" class=\"0x060400\">\n";
    for (int g = 0; g < 2; ++g) {
      const auto number = std::to_string(g);
      text += "<pci busid=\"0000:0" + std::to_string(g + 2) + ":00.0\" class=\"0x030000\" vendor=\"0x10de\" device=\"" + device +
              "\" link_speed=\"16 GT/s\" link_width=\"16\"><gpu dev=\"" + number + "\" sm=\"89\" rank=\"" + number + "\"/></pci>\n";
    }
    return import_nccl_xml(text + "</pci></cpu></system>\n", "topo.xml")->topology;
  };
  EXPECT_FALSE(reaches(machine("0x2684"), 0, 1));  // RTX 4090
  EXPECT_TRUE(reaches(machine("0x26b9"), 0, 1));   // L40S
}

// A peer access over PHB, NODE or SYS goes straight through the root complex (an RTX PRO 6000 over NODE: 56.5 GB/s of 63), not by host memory.
TEST(PeerPairs, WhereAllMayRootComplexesPassAccessesOn) {
  const std::string ok =
      "\n$ nvidia-smi topo -p2p r\n     GPU0 GPU1 GPU2 GPU3\nGPU0  X   OK  OK  OK\nGPU1  OK  X   OK  OK\nGPU2  OK  OK  X   OK\nGPU3  OK  OK  OK  X\n";
  for (const auto& text : {two_pairs, two_pairs + ok}) {
    const auto machine = imported(text).topology;
    EXPECT_EQ(word(machine, 0, 2), "NODE");
    EXPECT_TRUE(reaches(machine, 0, 2));
  }
  EXPECT_FALSE(reaches(imported(two_pairs, {.gpu = "l40s", .peer_access = false}).topology, 0, 2));
  EXPECT_FALSE(reaches(imported(two_pairs, {.gpu = "4090"}).topology, 0, 2));
}

TEST(PeerPairs, NvlinksOfAPairThatCudaRefusesCarryNothing) {
  MachineFacts facts;
  for (int g = 0; g < 3; ++g) {
    const auto bus = "0000:0" + std::to_string(g + 1) + ":00.0";
    NvmlGpu gpu{.bus_id = bus, .name = "NVIDIA H200", .compute_capability = 90};
    for (int l = 0; l < 18; ++l) gpu.links.push_back({l, true, "ffffffff:ff:ff.0", "switch"});
    facts.nvml.push_back(gpu);
    facts.cuda.push_back({bus, "NVIDIA H200", 90, 132, 0});
    facts.pci.push_back({.bus_id = bus, .device_class = "0x030200", .vendor = "0x10de", .speed = "32.0 GT/s PCIe", .width = 16, .numa = 0});
    for (int to = 0; to < 3; ++to) {
      if (to != g) facts.peers.push_back({g, to, g + to > 1, true, 0});  // gpu0 and gpu1 do not reach each other
    }
  }
  const auto machine = build_machine(facts)->topology;
  EXPECT_FALSE(reaches(machine, 0, 1));
  EXPECT_TRUE(reaches(machine, 0, 2));
  EXPECT_EQ(word(machine, 0, 1), "PHB");
  EXPECT_EQ(word(machine, 1, 2), "NV");
  // PCIe is the way of those two alone: the third has nothing beside its NVLinks, so no bound counts more.
  const auto on_pcie = [&](int gpu) {
    return std::ranges::any_of(machine.out_links(NodeId{gpu}), [&](LinkId link) { return machine.link(link).kind == LinkKind::pcie; });
  };
  EXPECT_TRUE(on_pcie(0));
  EXPECT_TRUE(on_pcie(1));
  EXPECT_FALSE(on_pcie(2));
  // Two copies: 450 GB/s out of the root, and what the two pass on to each other, by host memory at half of PCIe.
  EXPECT_NEAR(bound(machine, make_collective(CollectiveKind::broadcast, 3, Rank{2}))->algbw_gbps(), (450 + 63.0153846) / 2, 1e-6);
}

}  // namespace
}  // namespace p2plab::peers_test
