// SPDX-License-Identifier: Apache-2.0
// Machines from public reports, each with the right answer to what its owner asked (tests/data/field; facts only, rebuilt). Measured figures are the
// reports' own.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "p2plab/bounds/place.h"
#include "p2plab/machine/assumptions.h"
#include "p2plab/machine/islands.h"
#include "p2plab/machine/routes.h"
#include "p2plab/machine/topology_import.h"
#include "p2plab/machine/topology_io.h"
#include "p2plab/machine/topology_view.h"
#include "support/described.h"

namespace p2plab::field_test {
namespace {

using test::algbw;
using test::best_gpus;
using test::busbw;
using test::count;
using test::field;
using test::import_field;
using test::source;
using test::width;

std::string field_error(const std::string& name) {
  const auto imported = import_field(name);
  return imported ? "accepted" : describe(imported.error());
}

TEST(Field, FourT4OneAloneOnItsSocketTakesTwoOfTheOtherThree) {
  const auto machine = field("01_t4_sys_node.txt", {.gpu = "t4"});
  EXPECT_FALSE(best_gpus(machine, 2).contains(0));
  EXPECT_NEAR(width(machine, 1, 2), 15.754, 0.001);  // PCIe of the third generation
  EXPECT_EQ(count(machine, NodeKind::host), 2);
}

TEST(Field, SixPro6000OnTwoSocketsGetNoBoundBelowWhatTheyMeasured) {
  const auto machine = field("02_6gpu_pro6000_pix_node_sys.txt", {.gpu = "NVIDIA RTX PRO 6000 Blackwell Server Edition"});
  EXPECT_GE(width(machine, 0, 1), 55);
  EXPECT_GE(algbw(machine, CollectiveKind::all_gather), 22.4);
  // Across the sockets 46 to 50 GB/s: less is assumed, and stands beside the figure.
  const auto* socket = source(machine, "socket link");
  ASSERT_NE(socket, nullptr);
  EXPECT_EQ(socket->origin, Origin::assumed);
  EXPECT_GE(socket->most.gbps(), 50);
  const auto range = rests_on(machine, [](const Topology& other) { return std::optional{algbw(other, CollectiveKind::all_gather)}; });
  ASSERT_FALSE(range.on.empty());
  EXPECT_EQ(range.on.front().value.key, "socket_link");
  EXPECT_GT(range.most, range.least);
  // Answered, nothing is left open.
  const auto answered = field("02_6gpu_pro6000_pix_node_sys.txt", {.gpu = "pro 6000", .socket_link = GBps(50)});
  EXPECT_EQ(width(answered, 0, 4), 50);
  EXPECT_EQ(source(answered, "socket link")->origin, Origin::read);
}

TEST(Field, A4090WithoutPeerAccessGoesThroughHostMemory) {
  const auto machine = field("03_4x4090_nop2p.txt", {.gpu = "4090"});
  const auto* peers = source(machine, "peer access");
  ASSERT_NE(peers, nullptr);
  EXPECT_EQ(peers->value, "none: data between GPUs goes through host memory (CNS)");
  EXPECT_EQ(peers->origin, Origin::read);
  EXPECT_NE(peers->source.find("03_4x4090_nop2p.txt:7"), std::string::npos) << peers->source;
  // Measured: 2.2 GB/s busbw by NCCL's defaults, 10.6 to 11.1 by copy engines; PCIe alone would give 31.5.
  const auto* path = source(machine, "data through host memory");
  ASSERT_NE(path, nullptr);
  EXPECT_EQ(path->origin, Origin::assumed);
  EXPECT_EQ(path->key, "host_memory");
  EXPECT_GE(busbw(machine), 11.1);
  const auto range = rests_on(machine, [](const Topology& other) { return std::optional{busbw(other)}; });
  EXPECT_LE(range.least, 2.21);
  EXPECT_NEAR(range.most, 31.508, 0.001);
  EXPECT_EQ(busbw(field("03_4x4090_nop2p.txt", {.gpu = "4090", .host_memory = GBps(11)})), 11);
  const auto text = field_error("03b_p2p_matrix_only.txt");
  EXPECT_NE(text.find("only a matrix of 'nvidia-smi topo -p2p'"), std::string::npos) << text;
  EXPECT_NE(text.find("nvidia-smi topo -m"), std::string::npos) << text;
}

TEST(Field, EightNumaNodesAreTwoSocketsOfFour) {
  const auto machine = field("04_8gpu_nps4_all_sys.txt", {.gpu = "pro 6000"});
  EXPECT_EQ(count(machine, NodeKind::host), 2);
  const auto best = best_gpus(machine, 4);
  EXPECT_TRUE((best == std::set<int>{0, 1, 2, 3} || best == std::set<int>{4, 5, 6, 7}));
  for (int a = 0; a < 4; ++a) {
    for (int b = 0; b < 4; ++b) EXPECT_EQ(a == b ? 0 : width(machine, 0, 1), width(machine, a, b));
  }
  EXPECT_GE(width(machine, 0, 1), 39.5);
  const auto* sockets = source(machine, "sockets");
  ASSERT_NE(sockets, nullptr);
  EXPECT_EQ(sockets->origin, Origin::assumed);
  EXPECT_EQ(route_word(machine, Rank{0}, Rank{1}), "SYS");
}

TEST(Field, OfThreeAndFourOnTwoSwitchesTheFourAreTaken) {
  const auto machine = field("07_7gpu_3_4.txt");
  EXPECT_EQ(best_gpus(machine, 4), (std::set<int>{3, 4, 5, 6}));
  EXPECT_NEAR(algbw(machine, CollectiveKind::all_reduce) * 2 * 6 / 7, width(machine, 0, 1), 0.01);  // port speed
}

TEST(Field, RanksThatAreHalfAGpuShareItsNvlinks) {
  const auto machine = field("09_mlopart.xml");
  ASSERT_EQ(machine.ranks(), 4);
  EXPECT_EQ(machine.groups().size(), 4U);  // in and out of two GPUs
  // 36 NVLinks of 50 GB/s a GPU: both its ranks together send and receive no more to the other GPU.
  const auto cut = bound(machine, make_collective(CollectiveKind::all_gather, 4));
  ASSERT_TRUE(cut) << describe(cut.error());
  EXPECT_NEAR(cut->algbw_gbps(), 36 * 50 * 2, 1);
}

TEST(Field, ARingOfCablesHasNoWayThroughANeighboursHost) {
  for (const auto* name : {"10_spark_ring4.yaml", "10c_spark_ring4_flat.yaml"}) {
    const auto machine = *load_topology(std::string{P2PLAB_SOURCE_DIR "/tests/data/field/"} + name);
    const auto& routes = machine.routes();
    EXPECT_TRUE(routes.connected(Rank{0}, Rank{1})) << name;
    EXPECT_FALSE(routes.connected(Rank{0}, Rank{2})) << name;
    EXPECT_NEAR(algbw(machine, CollectiveKind::all_reduce), 100.0 / 3, 0.01) << name;  // two opposite rings of 25 GB/s
  }
  const auto one = field("10b_spark_one.xml");
  EXPECT_EQ(one.ranks(), 1);
  EXPECT_EQ(one.out_links(NodeId{0}).size(), 1U);  // chip to chip: PCIe of the same two carries nothing beside it
  const auto beside = field("10b_spark_one.xml", {.pcie_beside_nvlink = true});
  EXPECT_EQ(beside.out_links(NodeId{0}).size(), 2U);
}

TEST(Field, TurinsMeetAt32GBps) {
  const auto machine = field("11_turin_8xpro6000.xml");
  EXPECT_EQ(width(machine, 0, 4), 32);
  EXPECT_EQ(source(machine, "socket link")->origin, Origin::known);
}

TEST(Field, ALostBlankIsShownWhereItIs) {
  const auto text = field_error("13_a100_lost_blank.txt");
  EXPECT_NE(text.find("13_a100_lost_blank.txt:2:"), std::string::npos) << text;
}

TEST(Field, TwoHivesOfFourAreTwoIslands) {
  const auto machine = field("14_rocm_showtopo.txt");
  EXPECT_EQ(machine.ranks(), 8);
  const auto levels = find_islands(machine);
  ASSERT_FALSE(levels.empty());
  ASSERT_EQ(levels.back().islands.size(), 2U);
  EXPECT_EQ(levels.back().islands.front(), (std::vector{Rank{0}, Rank{1}, Rank{2}, Rank{3}}));
  EXPECT_EQ(route_word(machine, Rank{0}, Rank{1}), "XGMI");
  EXPECT_EQ(route_word(machine, Rank{0}, Rank{4}), "PCIE");
  ASSERT_NE(source(machine, "peer access"), nullptr);
  EXPECT_EQ(source(machine, "peer access")->source, "no table of 'rocm-smi --showtopoaccess' is given");
}

TEST(Field, TwoTraysOfOneNvlinkDomainShareASwitch) {
  const auto machine = field("17a_gb300_2trays_healthy.xml");
  EXPECT_EQ(machine.ranks(), 8);
  EXPECT_EQ(count(machine, NodeKind::nvswitch), 1);
  EXPECT_NEAR(algbw(machine, CollectiveKind::all_reduce), 514.29, 0.01);
}

TEST(Field, AGraphFileIsNamedAndMeshesOfFourAreDirect) {
  EXPECT_NE(field_error("18_graph.xml").find("NCCL graph file"), std::string::npos);
  EXPECT_NE(field_error("18_graph.xml").find("/18_graph.xml --topology MACHINE makes its rings or chains a plan"), std::string::npos);
  EXPECT_EQ(width(field("18a_v100_4_nv2.txt", {.gpu = "v100"}), 0, 1), 50);
  EXPECT_EQ(width(field("18b_a100_4_nv4.txt", {.gpu = "a100"}), 0, 1), 100);
  EXPECT_EQ(count(field("18b_a100_4_nv4.txt", {.gpu = "a100"}), NodeKind::nvswitch), 0);
}

TEST(Field, NodeIsNotPhb) {
  const auto phb = field("20a_2x5090_phb.txt", {.gpu = "5090"});
  const auto node = field("20b_2x5090_node.txt", {.gpu = "5090"});
  EXPECT_EQ(route_word(phb, Rank{0}, Rank{1}), "PHB");
  EXPECT_EQ(route_word(node, Rank{0}, Rank{1}), "NODE");
  EXPECT_EQ(source(phb, "NODE"), nullptr);
  ASSERT_NE(source(node, "NODE"), nullptr);
  EXPECT_EQ(source(node, "NODE")->origin, Origin::assumed);
}

TEST(Field, WhereNothingTellsTheSocketsThatIsSaid) {
  const auto machine = field("26_vm_sys_no_numa.txt");
  EXPECT_EQ(route_word(machine, Rank{0}, Rank{3}), "SYS");
  ASSERT_NE(source(machine, "sockets"), nullptr);
  EXPECT_EQ(source(machine, "sockets")->key, "sockets");
  EXPECT_EQ(count(machine, NodeKind::host), 1);
  EXPECT_NE(sources_text(machine).find("which GPUs share a socket?"), std::string::npos);
  const auto answered = field("26_vm_sys_no_numa.txt", {.sockets = "0-1|2-3"});
  EXPECT_EQ(count(answered, NodeKind::host), 2);
  EXPECT_LT(width(answered, 0, 2), width(answered, 0, 1));
}

TEST(Field, ANicAddsNoWayBetweenSockets) {
  const auto with = field("27_two_socket_nic_sys.txt");
  const std::string without =
      "     GPU0 GPU1 GPU2 GPU3 CPU Affinity NUMA Affinity GPU NUMA ID\n"
      "GPU0  X   NODE SYS  SYS  0-31  0 N/A\n"
      "GPU1 NODE  X   SYS  SYS  0-31  0 N/A\n"
      "GPU2 SYS  SYS   X   NODE 32-63 1 N/A\n"
      "GPU3 SYS  SYS  NODE  X   32-63 1 N/A\n";
  const auto imported = import_smi(without, "x.txt");
  ASSERT_TRUE(imported) << describe(imported.error()) << without;
  for (const auto kind : {CollectiveKind::all_gather, CollectiveKind::all_reduce, CollectiveKind::all_to_all})
    EXPECT_EQ(algbw(with, kind), algbw(imported->topology, kind));
  EXPECT_EQ(width(with, 0, 2), width(imported->topology, 0, 2));
}

}  // namespace
}  // namespace p2plab::field_test
