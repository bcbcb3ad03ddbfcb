// SPDX-License-Identifier: Apache-2.0
#include "p2plab/machine/presets.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>

#include "p2plab/machine/cuts.h"
#include "p2plab/machine/gpu_kind.h"
#include "p2plab/machine/routes.h"
#include "p2plab/machine/topology_io.h"
#include "support/reference.h"
#include "support/scratch.h"

namespace p2plab::presets_test {
namespace {

using test::machine;

Bandwidth width(const Topology& topology, int from, int to) {
  const auto& routes = topology.routes();
  return routes.bottleneck(routes.between(Rank{from}, Rank{to}));
}

int count(const Topology& topology, NodeKind kind) {
  int found = 0;
  for (const auto& node : topology.nodes()) found += node.kind == kind ? 1 : 0;
  return found;
}

TEST(Presets, EveryOneBuildsWithItsDefaultsAndHasDistinctNamesAndSummaries) {
  std::set<std::string> names;
  for (const auto& preset : builtin_presets()) {
    EXPECT_TRUE(names.insert(preset.name).second) << preset.name;
    EXPECT_FALSE(preset.summary.empty()) << preset.name;
    for (const auto& parameter : preset.parameters) EXPECT_FALSE(parameter.summary.empty()) << preset.name << " " << parameter.name;
    const auto topology = make_preset(preset.name, {});
    ASSERT_TRUE(topology) << describe(topology.error());
    EXPECT_EQ(topology->name(), preset.name);
    const auto cut = bottleneck_cut(*topology);
    ASSERT_TRUE(cut) << preset.name;
    EXPECT_GT(cut->capacity, Bandwidth{}) << preset.name << " is not connected";
  }
  EXPECT_GE(names.size(), 22U);
}

TEST(Presets, EachLinkHasATwinInTheOtherDirectionUnlessAskedOtherwise) {
  for (const auto& preset : builtin_presets()) EXPECT_TRUE(asymmetries(machine(preset.name)).empty()) << preset.name;
  EXPECT_EQ(asymmetries(machine("ring:gpus=5,directions=one")).size(), 5U);
}

TEST(Presets, Dgx1HasSixLanesAGpuOnV100AndFourOnP100) {
  for (const auto& degree : degrees(machine("dgx-v100"))) EXPECT_EQ(degree.out, GBps(150));
  for (const auto& degree : degrees(machine("dgx-p100"))) EXPECT_EQ(degree.in, GBps(80));
}

TEST(Presets, Dgx1FollowsTheOrderOfNvidiaSmi) {
  const auto server = machine("dgx-v100");
  EXPECT_EQ(width(server, 0, 3), GBps(50));
  EXPECT_EQ(width(server, 0, 4), GBps(50));
  EXPECT_EQ(width(server, 0, 1), GBps(25));
  EXPECT_EQ(width(server, 0, 5), Bandwidth{});
}

TEST(Presets, TheFifthGpuOfADgx1HasOneNeighbourSoThatNoRingOfNvlinkExists) {
  const auto server = machine("dgx-v100:gpus=5");
  ASSERT_EQ(server.ranks(), 5);
  const auto neighbours = server.out_links(server.node_of(Rank{4}));
  ASSERT_EQ(neighbours.size(), 1U);
  EXPECT_EQ(server.node(server.link(neighbours[0]).to).name, "gpu0");
}

TEST(Presets, PcieGivesEveryPairOfADgx1ARoute) {
  const auto server = machine("dgx-v100:gpus=5,pcie=on");
  const auto& routes = server.routes();
  for (int a = 0; a < 5; ++a) {
    for (int b = 0; b < 5; ++b) EXPECT_TRUE(routes.connected(Rank{a}, Rank{b}));
  }
  EXPECT_EQ(width(server, 4, 1), GBps(6));   // over both sockets
  EXPECT_EQ(width(server, 0, 3), GBps(50));  // NVLink where there is one
  EXPECT_EQ(server.node(*routes.host_of(Rank{4})).name, "socket1");
}

TEST(Presets, AListOfGpusKeepsTheirNames) {
  const auto server = machine("dgx-v100:gpus=0,1,4-5");
  ASSERT_EQ(server.ranks(), 4);
  EXPECT_EQ(server.node(server.node_of(Rank{2})).name, "gpu4");
  EXPECT_EQ(width(server, 0, 2), GBps(50));
}

TEST(Presets, NvswitchBoxesGiveEachGpuItsWholePort) {
  EXPECT_EQ(degrees(machine("dgx-2"))[15].out, GBps(150));
  EXPECT_EQ(degrees(machine("dgx-a100"))[7].out, GBps(300));
  EXPECT_EQ(degrees(machine("hgx-h200:gpus=4"))[3].out, GBps(450));
  EXPECT_EQ(degrees(machine("dgx-b200"))[0].in, GBps(900));
  EXPECT_EQ(machine("nvl72").ranks(), 72);
  EXPECT_EQ(width(machine("nvl72"), 0, 71), GBps(900));
}

TEST(Presets, SeveralBoxesHaveANicAGpuOnAFlatNetworkOrOnRails) {
  const auto flat = machine("hgx-h100:nodes=2");
  EXPECT_EQ(flat.ranks(), 16);
  EXPECT_EQ(count(flat, NodeKind::nic), 16);
  EXPECT_EQ(count(flat, NodeKind::network_switch), 1);
  EXPECT_EQ(width(flat, 0, 15), GBps(50));
  const auto rail = machine("hgx-h100:nodes=2,network=rail");
  EXPECT_EQ(count(rail, NodeKind::network_switch), 8);
  EXPECT_EQ(width(rail, 0, 8), GBps(50));
  EXPECT_EQ(width(rail, 0, 9), Bandwidth{}) << "another rail is reached only by relaying";
  EXPECT_EQ(count(machine("hgx-h100:nodes=2,nics=4"), NodeKind::nic), 8);
  EXPECT_EQ(count(machine("hgx-h100:gpus=4,nodes=3"), NodeKind::nic), 12);
}

TEST(Presets, TheDiesOfAnMi250xShare56UnitsOf50) {
  const auto server = machine("mi250x");
  std::int64_t sum = 0;
  for (const auto& degree : degrees(server)) sum += degree.out.bytes_per_second();
  // 8 links of 4 units, 4 of 2, 16 of 1: 56 units, each at two ends.
  EXPECT_EQ(Bandwidth::bytes_per_second(sum), GBps(2 * 56 * 50));
  EXPECT_EQ(width(server, 0, 1), GBps(200));
}

TEST(Presets, MeshesOfAmdHaveTheirGpusAndTheRatesOfDataSheets) {
  struct Case {
    std::string name;
    int gpus;
    double gbps;
    std::string title;
  };
  for (const auto& one : {Case{"mi100", 4, 46, "MI100"}, Case{"mi300x", 8, 64, "MI300X"}, Case{"mi325x", 8, 64, "MI325X"},
                          Case{"mi350x", 8, 76.8, "MI350X"}, Case{"mi355x", 8, 76.8, "MI355X"}}) {
    SCOPED_TRACE(one.name);
    const auto server = machine(one.name);
    EXPECT_EQ(server.ranks(), one.gpus);
    EXPECT_EQ(server.links().size(), static_cast<std::size_t>(one.gpus * (one.gpus - 1)));
    EXPECT_EQ(width(server, 0, one.gpus - 1), GBps(one.gbps));
    const auto kind = gpu_kind(server);
    ASSERT_TRUE(kind);
    EXPECT_NE(kind->title.find(one.title), std::string::npos) << kind->title;
  }
}

TEST(Presets, RegularGraphsHaveTheirDegrees) {
  const auto links = [](const std::string& text, int rank) {
    const auto server = machine(text);
    return server.out_links(server.node_of(Rank{rank})).size();
  };
  EXPECT_EQ(links("ring:gpus=7", 3), 2U);
  EXPECT_EQ(links("ring:gpus=2", 0), 1U);
  EXPECT_EQ(links("mesh:dims=3x3", 0), 2U);
  EXPECT_EQ(links("mesh:dims=3x3", 4), 4U);
  EXPECT_EQ(links("torus:dims=3x3", 0), 4U);
  EXPECT_EQ(links("torus:dims=3x3x3", 13), 6U);
  EXPECT_EQ(links("torus:dims=2x4", 0), 3U) << "a dimension of two has one link";
  EXPECT_EQ(links("hypercube:dimensions=4", 5), 4U);
  EXPECT_EQ(links("full-mesh:gpus=6", 0), 5U);
  EXPECT_EQ(links("full-mesh:gpus=1", 0), 0U);
}

TEST(Presets, ADragonflyJoinsEachPairOfGroupsOnce) {
  const auto network = machine("dragonfly:a=3,h=2,p=1");  // 7 groups
  std::set<std::pair<int, int>> joined;
  for (const auto& link : network.links()) {
    const auto& from = network.node(link.from);
    const auto& to = network.node(link.to);
    if (from.kind != NodeKind::network_switch || to.kind != NodeKind::network_switch) continue;
    const int a = std::stoi(from.name.substr(6)) / 3;
    const int b = std::stoi(to.name.substr(6)) / 3;
    if (a == b) continue;
    EXPECT_TRUE(joined.emplace(a, b).second) << a << " and " << b << " are joined twice";
  }
  EXPECT_EQ(joined.size(), 42U);
}

TEST(Presets, APcieBoxSpreadsItsGpusEvenly) {
  const auto server = machine("pcie-server:gpus=6,switches=4,sockets=2,gen=3");
  const auto upstream = [&](int rank) { return server.node(server.link(server.out_links(server.node_of(Rank{rank}))[0]).to).name; };
  EXPECT_EQ(upstream(0), "pcie0");
  EXPECT_EQ(upstream(1), "pcie0");
  EXPECT_EQ(upstream(2), "pcie1");
  EXPECT_EQ(upstream(5), "pcie3");
  EXPECT_EQ(width(server, 0, 1), GBps(12));
  const auto& routes = server.routes();
  EXPECT_EQ(server.node(*routes.host_of(Rank{5})).name, "socket1");
}

TEST(Presets, PinnedMemoryIsOnTheNearestSocketEvenIfBothAreAsWide) {
  const auto server = machine("pcie-server:gen=3,upi=18");
  const auto& routes = server.routes();
  for (int r = 0; r < 8; ++r) EXPECT_EQ(server.node(*routes.host_of(Rank{r})).name, r < 4 ? "socket0" : "socket1") << r;
}

TEST(Presets, WrongNamesAreErrorsWithTheNearestOne) {
  const auto preset = resolve_topology("dgx-v10");
  ASSERT_FALSE(preset);
  EXPECT_EQ(preset.error().code, ErrorCode::unknown_name);
  EXPECT_EQ(preset.error().notes.front(), "did you mean 'dgx-v100'?");
  const auto parameter = resolve_topology("hgx-h200:gpu=4");
  ASSERT_FALSE(parameter);
  EXPECT_EQ(parameter.error().notes.front(), "did you mean 'gpus'?");
  const auto value = resolve_topology("hgx-h200:network=rial");
  ASSERT_FALSE(value);
  EXPECT_NE(value.error().message.find("did you mean 'rail'?"), std::string::npos) << value.error().message;
}

TEST(Presets, AllBadValuesAreReportedAtOnce) {
  const auto bad = resolve_topology("pcie-server:gpus=0,gen=7,uplink=fast");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().more.size(), 2U) << describe(bad.error());
}

TEST(Presets, HostileSpecsAreErrors) {
  for (const std::string text : {"",
                                 ":",
                                 ":gpus=4",
                                 "ring:",
                                 "ring:gpus",
                                 "ring:gpus=",
                                 "ring:=4",
                                 "ring:gpus=4,gpus=5",
                                 "ring:gpus=-3",
                                 "ring:gpus=1e9",
                                 "ring:gpus=99999999999",
                                 "torus:dims=",
                                 "torus:dims=0x3",
                                 "torus:dims=4096x4096x4096",
                                 "torus:dims=2x2x2x2",
                                 "mesh:dims=axb",
                                 "hgx-h200:gpus=9",
                                 "hgx-h200:gpus=0,0",
                                 "hgx-h200:gpus=3-1",
                                 "hgx-h200:gpus=0",
                                 "hgx-h200:nodes=0",
                                 "ring:latency=5",
                                 "ring:latency=-1 us",
                                 "ring:bandwidth=0",
                                 "ring:bandwidth=1e400",
                                 "nvl72:nodes=512",
                                 "dragonfly:a=32,h=32,p=32",
                                 "fat-tree:leaves=256,gpus=256",
                                 "pcie-server:gpus=2,switches=5",
                                 "hypercube:dimensions=40"}) {
    if (text == "ring:") continue;  // a name and no parameters
    EXPECT_FALSE(resolve_topology(text)) << text;
  }
  EXPECT_TRUE(resolve_topology("ring:"));
}

TEST(Presets, EveryOneReadsBackFromItsFileAsItWas) {
  const auto path = test::scratch("preset.yaml");
  for (const auto& preset : builtin_presets()) {
    const auto ours = machine(preset.name);
    std::ofstream(path) << write_topology(ours);
    const auto theirs = machine(path.string());
    ASSERT_EQ(theirs.nodes().size(), ours.nodes().size()) << preset.name;
    ASSERT_EQ(theirs.links().size(), ours.links().size()) << preset.name;
    for (std::size_t i = 0; i < ours.links().size(); ++i) {
      const auto& a = ours.links()[i];
      const auto& b = theirs.links()[i];
      EXPECT_TRUE(a.from == b.from && a.to == b.to && a.kind == b.kind && a.bandwidth == b.bandwidth && a.latency == b.latency)
          << preset.name << " " << i;
    }
  }
  std::filesystem::remove(path);
}

TEST(Presets, ATopologyIsAFileByItsEnding) {
  const std::string data = P2PLAB_SOURCE_DIR "/tests/data/";
  EXPECT_EQ(machine(data + "h200x4_nccl_topo.xml").ranks(), 4);
  EXPECT_EQ(machine(data + "h200x4_smi_topo_m.txt").ranks(), 4);
  for (const std::string text : {"no/such/file", "nosuch.yaml", "nosuch.xml", "nosuch.txt", "/"}) {
    const auto bad = resolve_topology(text);
    ASSERT_FALSE(bad) << text;
    EXPECT_EQ(bad.error().code, ErrorCode::io) << text << ": " << describe(bad.error());
  }
}

// The stroke of GB/s makes no path of a preset, the colon in a file's name none of a path.
TEST(Presets, TakeBandwidthsOnTheCommandLine) {
  const auto machine = resolve_topology("star:gpus=4,bandwidth=200 GB/s");
  ASSERT_TRUE(machine) << describe(machine.error());
  EXPECT_EQ(machine->links().front().bandwidth, GBps(200));
  const auto missing = resolve_topology("there/is:none");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::io);
}

}  // namespace
}  // namespace p2plab::presets_test
