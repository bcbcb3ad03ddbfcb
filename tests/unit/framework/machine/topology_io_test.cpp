// SPDX-License-Identifier: Apache-2.0
// Topologies as YAML: read strictly, written so that reading back changes nothing.
#include <gtest/gtest.h>

#include <random>

#include "p2plab/machine/topology_io.h"
#include "support/reference_files.h"
#include "support/same_topology.h"

namespace p2plab::topology_io_test {
namespace {

const std::string two_islands =
    "version: 1\n"
    "name: two-islands\n"
    "nodes:\n"
    "  - {name: gpu0, kind: gpu}\n"
    "  - {name: gpu1, kind: gpu, egress: 100 GB/s}\n"
    "  - {name: sw0, kind: nvswitch}\n"
    "  - {name: host0, kind: host, ingress: 50 GB/s}\n"
    "links:\n"
    "  - {between: [gpu0, sw0], bandwidth: 450 GB/s, latency: 1 us, kind: nvlink}\n"
    "  - {from: gpu0, to: gpu1, bandwidth: 25 GB/s}\n"
    "  - {from: gpu0, to: gpu1, bandwidth: 25 GB/s}\n"
    "  - {from: gpu0, to: host0, bandwidth: 26.562 GB/s, kind: pcie}\n"
    "  - {between: [gpu1, host0], bandwidth: 31.5 GB/s, kind: pcie}\n"
    "groups:\n"
    "  - {name: root0, bandwidth: 32 GB/s, links: [[gpu0, host0], [gpu1, host0]]}\n"
    "  - {name: lane, bandwidth: 30 GB/s, links: [[gpu0, gpu1, 1], [host0, gpu1]]}\n";

std::string read_error(const std::string& text) {
  const auto topology = read_topology(text, "x.yaml");
  return topology ? "accepted" : describe(topology.error());
}

TEST(TopologyIo, ReadsTheFixedFormat) {
  const auto topology = read_topology(two_islands, "x.yaml");
  ASSERT_TRUE(topology) << describe(topology.error());
  EXPECT_EQ(topology->name(), "two-islands");
  EXPECT_EQ(topology->ranks(), 2);
  ASSERT_EQ(topology->links().size(), 7U);
  EXPECT_EQ(topology->node(NodeId{1}).egress, GBps(100));
  const auto& up = topology->link(LinkId{0});
  const auto& down = topology->link(LinkId{1});
  EXPECT_EQ(std::pair(up.from, up.to), std::pair(NodeId{0}, NodeId{2}));
  EXPECT_EQ(std::pair(down.from, down.to), std::pair(NodeId{2}, NodeId{0}));
  EXPECT_EQ(down.bandwidth, GBps(450));
  EXPECT_EQ(down.latency, Seconds{1e-6});
  EXPECT_EQ(topology->link(LinkId{2}).kind, LinkKind::other);
  EXPECT_EQ(topology->link(LinkId{4}).latency, default_latency(LinkKind::pcie));
  EXPECT_EQ(topology->groups()[0].links, (std::vector{LinkId{4}, LinkId{5}}));
  EXPECT_EQ(topology->groups()[1].links, (std::vector{LinkId{3}, LinkId{6}}));
}

TEST(TopologyIo, WritesTheTextItRead) { EXPECT_EQ(write_topology(*read_topology(two_islands, "x.yaml")), two_islands); }

TEST(TopologyIo, AHostAloneForwardsPeerAccesses) {
  const std::string text = "version: 1\nnodes:\n  - {name: gpu0, kind: gpu}\n  - {name: root, kind: host, forwards_peers: true}\n";
  const auto machine = *read_topology(text, "x.yaml");
  EXPECT_TRUE(machine.nodes()[1].forwards_peers);
  EXPECT_EQ(write_topology(machine), text);
  const auto gpu = read_topology("version: 1\nnodes:\n  - {name: gpu0, kind: gpu, forwards_peers: true}\n", "x.yaml");
  ASSERT_FALSE(gpu);
  EXPECT_NE(gpu.error().message.find("only a host forwards peer accesses"), std::string::npos) << gpu.error().message;
}

TEST(TopologyIo, AGroupPairNamesAllParallelLinks) {
  const auto text = two_islands + "  - {name: all, bandwidth: 40 GB/s, links: [[gpu0, gpu1]]}\n";
  const auto topology = *read_topology(text, "x.yaml");
  EXPECT_EQ(topology.groups()[2].links, (std::vector{LinkId{2}, LinkId{3}}));
  EXPECT_EQ(write_topology(topology), text);
}

// Any graph, with names that YAML would take for something else.
Topology random_topology(std::mt19937_64& random) {
  const std::vector<std::string> odd{"null",      "~", "",  "a: b", "- x",  "\"quoted\"", "true", "12",  "\xC3\xA4",
                                     "tab\there", "#", "[", "a\\b", "x y ", ".",          "&a",   "\x01"};
  const auto below = [&](std::size_t n) { return static_cast<std::int64_t>(random() % n); };
  const auto rate = [&] { return Bandwidth::bytes_per_second(1 + static_cast<std::int64_t>(random() >> (8 + random() % 55))); };
  Topology::Builder builder(odd[random() % odd.size()]);
  const auto nodes = 2 + random() % 8;
  for (std::size_t i = 0; i < nodes; ++i) {
    Node node{.name = (i < 3 ? odd[random() % odd.size()] : "n") + std::to_string(i),
              .kind = i == 0 ? NodeKind::gpu : static_cast<NodeKind>(below(6))};
    if (random() % 4 == 0) node.ingress = rate();
    if (random() % 4 == 0) node.egress = rate();
    builder.add_node(std::move(node));
  }
  const auto links = random() % 30;
  for (std::size_t i = 0; i < links; ++i) {
    const auto from = below(nodes);
    const auto to = (from + 1 + below(nodes - 1)) % static_cast<std::int64_t>(nodes);
    const auto kind = static_cast<LinkKind>(below(6));
    const Seconds latency = random() % 2 == 0 ? default_latency(kind) : Seconds{static_cast<double>(random() >> 20) * 1e-20};
    const Link link{NodeId{from}, NodeId{to}, kind, rate(), latency};
    builder.add_link(link);
    if (random() % 2 == 0) builder.add_link({link.to, link.from, link.kind, link.bandwidth, link.latency});
    if (random() % 4 == 0) builder.add_link(link);
  }
  for (std::size_t g = 0; links > 0 && g < random() % 4; ++g) {
    LinkGroup group{.name = odd[random() % odd.size()], .bandwidth = rate(), .links = {}};
    for (std::size_t l = 0; l < links; ++l) {
      if (random() % 3 == 0) group.links.emplace_back(static_cast<std::int64_t>(l));
    }
    std::ranges::shuffle(group.links, random);
    if (!group.links.empty()) builder.add_group(std::move(group));
  }
  return *std::move(builder).build();
}

TEST(TopologyIo, ARoundTripChangesNothing) {
  std::mt19937_64 random{11};
  for (int i = 0; i < 2000; ++i) {
    const auto before = random_topology(random);
    const auto text = write_topology(before);
    const auto after = read_topology(text, "x.yaml");
    ASSERT_TRUE(after) << describe(after.error()) << text;
    ASSERT_TRUE(test::same_topology(before, *after)) << text;
  }
}

TEST(TopologyIo, ReportsAllMistakesWithTheirPlaces) {
  EXPECT_EQ(read_error("version: 2\n"
                       "nodes:\n"
                       "  - {name: gpu0, kind: gpuu}\n"
                       "  - {name: gpu1, kind: gpu}\n"
                       "  - {name: gpu1, kind: gpu, egres: 1 GB/s}\n"
                       "links:\n"
                       "  - {between: [gpu0, gpu2], bandwidth: 25 GB/s}\n"
                       "  - {from: gpu0, bandwidth: 25 Gb/s}\n"
                       "  - {from: gpu0, to: gpu0, bandwidth: 0 GB/s}\n"
                       "  - {between: [gpu0], bandwidth: 1 GB/s, latency: 2 s}\n"
                       "groups:\n"
                       "  - {name: g, bandwidth: 1 GB/s, links: [[gpu1, gpu0]]}\n"),
            "x.yaml:1:10: error: expected 1, got '2'\n"
            "  version: 2\n"
            "           ^\n"
            "x.yaml:3:24: error: unknown node kind 'gpuu'\n"
            "    - {name: gpu0, kind: gpuu}\n"
            "                         ^\n"
            "note: did you mean 'gpu'?\n"
            "note: known: gpu, nvswitch, pcie_switch, host, nic, switch\n"
            "x.yaml:5:12: error: two nodes are called 'gpu1'\n"
            "    - {name: gpu1, kind: gpu, egres: 1 GB/s}\n"
            "             ^\n"
            "x.yaml:5:29: error: unknown key 'egres'\n"
            "    - {name: gpu1, kind: gpu, egres: 1 GB/s}\n"
            "                              ^\n"
            "note: did you mean 'egress'?\n"
            "note: known: name, kind, ingress, egress, forwards_peers, memory, root_complex, exchange, exchange_loads, posted_writes\n"
            "x.yaml:7:22: error: unknown node 'gpu2'\n"
            "    - {between: [gpu0, gpu2], bandwidth: 25 GB/s}\n"
            "                       ^\n"
            "note: did you mean 'gpu0'?\n"
            "x.yaml:8:5: error: a link needs either 'between' or both 'from' and 'to'\n"
            "    - {from: gpu0, bandwidth: 25 Gb/s}\n"
            "      ^\n"
            "note: write {between: [gpu0, gpu1], ...} for both directions\n"
            "x.yaml:8:29: error: expected a bandwidth with a unit, got '25 Gb/s'\n"
            "    - {from: gpu0, bandwidth: 25 Gb/s}\n"
            "                              ^\n"
            "note: bandwidths are in bytes: 8 Gb/s is 1 GB/s; units are B/s, KB/s, MB/s, GB/s, TB/s, KiB/s, MiB/s, GiB/s, TiB/s\n"
            "x.yaml:9:22: error: a link cannot join a node to itself\n"
            "    - {from: gpu0, to: gpu0, bandwidth: 0 GB/s}\n"
            "                       ^\n"
            "x.yaml:9:39: error: a bandwidth must be above zero\n"
            "    - {from: gpu0, to: gpu0, bandwidth: 0 GB/s}\n"
            "                                        ^\n"
            "note: leave the link out if there is none\n"
            "x.yaml:10:15: error: expected a list of 2 elements, got 1\n"
            "    - {between: [gpu0], bandwidth: 1 GB/s, latency: 2 s}\n"
            "                ^\n"
            "x.yaml:10:51: error: a latency must be at most 1 s\n"
            "    - {between: [gpu0], bandwidth: 1 GB/s, latency: 2 s}\n"
            "                                                    ^\n"
            "x.yaml:12:42: error: there is no link gpu1 -> gpu0\n"
            "    - {name: g, bandwidth: 1 GB/s, links: [[gpu1, gpu0]]}\n"
            "                                           ^\n");
}

TEST(TopologyIo, BandwidthsThatNoLinkHasAreToldWithTheirPlace) {
  for (const auto& [written, message] :
       {std::pair{"0 GB/s", "a bandwidth must be above zero"}, std::pair{"1e-300 GB/s", "a bandwidth must be above zero"},
        std::pair{"-3 GB/s", "a bandwidth cannot be negative, got '-3 GB/s'"},
        std::pair{"1e300 GB/s", "'1e300 GB/s' is more than 2^63 - 1 bytes per second"},
        std::pair{"inf GB/s", "expected a bandwidth with a unit, got 'inf GB/s'"},
        std::pair{"nan GB/s", "expected a bandwidth with a unit, got 'nan GB/s'"}}) {
    const auto told = read_error(
        "version: 1\nnodes: [{name: a, kind: gpu}, {name: b, kind: gpu}]\nlinks: [{between: [a, b], bandwidth: " + std::string(written) + "}]\n");
    EXPECT_TRUE(told.starts_with("x.yaml:3:38: error: " + std::string(message) + "\n")) << told;
  }
}

TEST(TopologyIo, AMachineWithoutGpusIsRefused) {
  EXPECT_EQ(read_error("version: 1\nname: bare\nnodes: [{name: h, kind: host}]\n"),
            "x.yaml:1:1: error: topology 'bare' has no gpu\n  version: 1\n  ^\n");
}

TEST(TopologyIo, ReadsATopologyWithinAnotherFile) {
  const auto file = *ConfigFile::parse(
      "topology:\n  nodes: [{name: a, kind: gpu}, {name: b, kind: gpu}]\n  links: [{between: [a, b], bandwidth: 1 GB/s}]\n", "x.yaml");
  const auto topology = read_topology(file.root()["topology"]);
  ASSERT_TRUE(topology);
  EXPECT_EQ(topology->links().size(), 2U);
  EXPECT_TRUE(file.status());
}

TEST(TopologyIo, ReadsEveryReferenceMachineAndWritesItBack) {
  const auto files = test::reference_files("optima", ".yaml");
  if (files.empty()) GTEST_SKIP() << "the reference collection is not beside the repository";
  EXPECT_GE(files.size(), 21U);
  for (const auto& file : files) {
    const auto topology = load_topology(file);
    ASSERT_TRUE(topology) << describe(topology.error());
    EXPECT_TRUE(test::same_topology(*topology, *read_topology(write_topology(*topology), "x.yaml"))) << file;
  }
}

}  // namespace
}  // namespace p2plab::topology_io_test
