// SPDX-License-Identifier: Apache-2.0
// What topology files say of links beyond a bandwidth and a latency: read, written, listed as limits, known by presets and importers.
#include <gtest/gtest.h>

#include <algorithm>

#include "p2plab/bounds/bounds.h"
#include "p2plab/detail/parallel_links.h"
#include "p2plab/machine/presets.h"
#include "p2plab/machine/routes.h"
#include "p2plab/machine/topology_import.h"
#include "p2plab/machine/topology_io.h"
#include "p2plab/schedule/analysis.h"
#include "support/same_topology.h"

namespace p2plab::links_as_they_are_test {
namespace {

const std::string two_switches = R"(version: 1
name: two-switches
nodes:
  - {name: gpu0, kind: gpu}
  - {name: gpu1, kind: gpu}
  - {name: sw0, kind: pcie_switch, exchange: 0.7, exchange_loads: 0.31, posted_writes: 2.7 GB/s}
  - {name: sw1, kind: pcie_switch}
  - {name: root, kind: host, memory: 17.1 GB/s, root_complex: 60 GB/s}
links:
  - {between: [gpu0, sw0], bandwidth: 53.5 GB/s, both: 101 GB/s, peers: 9.9 GB/s, kind: pcie}
  - {between: [gpu1, sw1], bandwidth: 53.5 GB/s, loads: 20 GB/s, stores: 30 GB/s, host_loads: 1.9 GB/s, kind: pcie}
  - {between: [sw0, root], bandwidth: 38 GB/s, kind: pcie}
  - {between: [sw1, root], bandwidth: 38 GB/s, kind: pcie}
groups:
  - {name: up, bandwidth: 50 GB/s, of: stores, links: [[sw0, root], [sw1, root]]}
)";

Topology from_text(const std::string& text) {
  auto read = read_topology(text, "x.yaml");
  EXPECT_TRUE(read) << describe(read.error());
  return *std::move(read);
}

std::string error_of(const std::string& node_or_link) {
  const auto read = read_topology("version: 1\nnodes:\n  - {name: gpu0, kind: gpu}\n  - {name: gpu1, kind: gpu}\n" + node_or_link, "x.yaml");
  return read ? "accepted" : describe(read.error());
}

TEST(LinksAsTheyAre, AreReadAndWrittenBack) {
  const auto read = from_text(two_switches);
  const auto& sw = read.nodes()[2];
  EXPECT_EQ(sw.switching, (SwitchModel{.exchange = 0.7, .exchange_loads = 0.31, .posted_writes = GBps(2.7)}));
  EXPECT_EQ(read.nodes()[4].memory, GBps(17.1));
  EXPECT_EQ(read.nodes()[4].root_complex, GBps(60));
  ASSERT_EQ(read.groups().size(), 1U + 1 + 2 + 6);
  EXPECT_EQ(read.groups()[0].of, Traffic::stores);
  EXPECT_EQ(read.groups()[1].name, "gpu0 - sw0 both ways");
  EXPECT_EQ(read.groups()[1].links, (std::vector{LinkId{0}, LinkId{1}}));
  EXPECT_EQ(read.groups()[2].of, Traffic::peers);
  EXPECT_EQ(read.groups()[2].links, std::vector{LinkId{0}});
  EXPECT_TRUE(test::same_topology(read, from_text(write_topology(read))));
}

TEST(LinksAsTheyAre, MistakesAreToldWithTheirPlace) {
  EXPECT_NE(error_of("  - {name: sw, kind: nvswitch, exchange: 0.5}\n").find("is no PCIe switch"), std::string::npos);
  EXPECT_NE(error_of("  - {name: sw, kind: pcie_switch, memory: 1 GB/s}\n").find("is no host"), std::string::npos);
  EXPECT_NE(error_of("  - {name: sw, kind: pcie_switch, exchange: 1.5}\n").find("x.yaml:5"), std::string::npos);
  EXPECT_NE(error_of("links:\n  - {from: gpu0, to: gpu1, bandwidth: 1 GB/s, both: 1 GB/s}\n").find("both directions carry together"),
            std::string::npos);
  EXPECT_NE(error_of("links:\n  - {between: [gpu0, gpu1], bandwidth: 1 GB/s}\ngroups:\n  - {bandwidth: 1 GB/s, of: laods, links: [[gpu0, gpu1]]}\n")
                .find("did you mean 'loads'"),
            std::string::npos);
}

// A plan can do without loads; peer accesses are all that GPUs exchange only where no host stages data.
TEST(LinksAsTheyAre, LimitsAreWhatBoundsAnyPlan) {
  const auto names = [](const Topology& topology) {
    std::vector<std::string> listed;
    for (const auto& limit : topology.limits().subspan(topology.links().size())) listed.push_back(topology.name_of(limit));
    return listed;
  };
  EXPECT_EQ(names(from_text(two_switches)), (std::vector<std::string>{"group gpu0 - sw0 both ways", "root complex of root", "host memory"}));
  auto forwards = two_switches;
  forwards.replace(forwards.find("kind: host,"), 11, "kind: host, forwards_peers: true,");
  EXPECT_EQ(names(from_text(forwards)), (std::vector<std::string>{"group gpu0 - sw0 both ways", "group gpu0 - sw0 peers there",
                                                                  "group gpu0 - sw0 peers back", "root complex of root"}));
}

TEST(LinksAsTheyAre, BoundsCountHostMemoryTwice) {
  const auto read = *resolve_topology("pcie-server:gpus=2,switches=0,sockets=1,gen=4,memory=20");
  const auto bounded = bound(read, make_collective(CollectiveKind::all_gather, 2));
  ASSERT_TRUE(bounded);
  // Each GPU's half goes to the other one: all of it once into memory and once out of it.
  EXPECT_NEAR(lower_bound(*bounded, {.elements = 1 << 30, .type = DataType::int8}).count(), 2.0 * (1 << 30) / 20e9, 1e-5);
}

TEST(LinksAsTheyAre, PcieGoesUpItsTreeAndNeverUpANeighboursWay) {
  const auto chip = from_text(R"(version: 1
nodes:
  - {name: gpu0, kind: gpu}
  - {name: gpu1, kind: gpu}
  - {name: gpu2, kind: gpu}
  - {name: sw0, kind: pcie_switch}
  - {name: sw1, kind: pcie_switch}
  - {name: sw2, kind: pcie_switch}
  - {name: root, kind: host, forwards_peers: true}
links:
  - {between: [gpu0, sw0], bandwidth: 53 GB/s, kind: pcie}
  - {between: [gpu1, sw1], bandwidth: 53 GB/s, kind: pcie}
  - {between: [gpu2, sw2], bandwidth: 53 GB/s, kind: pcie}
  - {between: [sw0, sw1], bandwidth: 53 GB/s, kind: pcie}
  - {between: [sw0, root], bandwidth: 12 GB/s, kind: pcie}
  - {between: [sw1, root], bandwidth: 53 GB/s, kind: pcie}
  - {between: [sw2, root], bandwidth: 53 GB/s, kind: pcie}
)");
  const auto& routes = chip.routes();
  EXPECT_EQ(routes.bottleneck(routes.between(Rank{0}, Rank{1})), GBps(53)) << "inside the chip";
  EXPECT_EQ(routes.bottleneck(routes.between(Rank{0}, Rank{2})), GBps(12)) << "its own way up";
  EXPECT_EQ(routes.bottleneck(routes.between(Rank{2}, Rank{0})), GBps(53)) << "down to a part, then across";
  EXPECT_EQ(routes.bottleneck(routes.to_host(Rank{0}, Rank{0})), GBps(12));
}

TEST(LinksAsTheyAre, ParallelLinksCountTogether) {
  const auto two = from_text(
      "version: 1\nnodes:\n  - {name: gpu0, kind: gpu}\n  - {name: gpu1, kind: gpu}\nlinks:\n"
      "  - {between: [gpu0, gpu1], bandwidth: 20 GB/s}\n  - {between: [gpu0, gpu1], bandwidth: 30 GB/s}\n");
  const auto& routes = two.routes();
  EXPECT_EQ(routes.bottleneck(routes.between(Rank{0}, Rank{1})), GBps(50));
}

// Or the budget of all would be more bytes than a number holds.
TEST(LinksAsTheyAre, ABudgetOfALinkBesideOneMillionsOfTimesAsFastIsNoLess) {
  const auto two = from_text(
      "version: 1\nnodes:\n  - {name: gpu0, kind: gpu}\n  - {name: gpu1, kind: gpu}\nlinks:\n  - {between: [gpu0, gpu1], bandwidth: 850 TB/s}\n  - "
      "{between: [gpu0, gpu1], bandwidth: 10 B/s}\ngroups:\n  - {name: up, bandwidth: 2 TB/s, links: [[gpu0, gpu1, 1]]}\n");
  EXPECT_GE(ParallelLinks(two).budget(two.groups().front().links, two.groups().front().bandwidth).rate, GBps(2000));
}

TEST(LinksAsTheyAre, ParallelLinksShareABudgetInProportionToTheirBandwidths) {
  const std::string text =
      "version: 1\nnodes: [{name: gpu0, kind: gpu}, {name: gpu1, kind: gpu}]\nlinks:\n"
      "  - {between: [gpu0, gpu1], bandwidth: 50 GB/s, both: 75 GB/s}\n";
  const auto two = from_text(text + "  - {between: [gpu0, gpu1], bandwidth: 50 GB/s, both: 75 GB/s}\n");
  const auto [links, rate] = ParallelLinks(two).budget(two.groups()[1].links, two.groups()[1].bandwidth);
  EXPECT_EQ(links, (std::vector{LinkId{0}, LinkId{1}}));
  EXPECT_EQ(rate, GBps(150));
  const auto both_ways = bottleneck(two, {{0.5, 0.5, 0.5, 0.5}});
  EXPECT_EQ(both_ways.name, "group gpu0 - gpu1 both ways");
  EXPECT_DOUBLE_EQ(both_ways.algbw_gbps(), 75);
  EXPECT_DOUBLE_EQ(bottleneck(from_text(text), {{1, 1}}).algbw_gbps(), 37.5) << "one link alone";
  EXPECT_DOUBLE_EQ(bottleneck(two, {{0.5, 0, 0.5, 0}}).algbw_gbps(), 100) << "one direction";
  const ParallelLinks of_three(from_text(text + "  - {between: [gpu0, gpu1], bandwidth: 100 GB/s}\n"));
  EXPECT_EQ(of_three.budget(std::vector{LinkId{0}, LinkId{1}}, GBps(75)).rate, GBps(225)) << "a third of what is sent";
}

TEST(LinksAsTheyAre, PresetsNameSwitchesAndLimits) {
  const auto server =
      *resolve_topology("pcie-server:gpus=4,switches=2,sockets=2,gen=5,switch=pex890xx,both=101,upi_both=70,memory=200,peer=40,host_loads=2");
  const auto& sw = server.node(*server.find_node("pcie0"));
  EXPECT_EQ(sw.switching.posted_writes, GBps(2.7));
  EXPECT_EQ(server.node(*server.find_node("socket1")).memory, GBps(200));
  EXPECT_EQ(server.groups().size(), 4U * (1 + 2 + 2) + 1);
  const auto wrong = resolve_topology("pcie-server:switch=pex980xx");
  ASSERT_FALSE(wrong);
  EXPECT_NE(describe(wrong.error()).find("pex890xx"), std::string::npos);
  EXPECT_EQ(resolve_topology("pcie-server:gpus=4,switches=2,sockets=1")->node(NodeId{5}).switching, SwitchModel{});
}

TEST(LinksAsTheyAre, NcclsFileTellsSwitchesByTheirPciIds) {
  const auto gpu = [](int dev) {
    return "<pci busid=\"0000:0" + std::to_string(dev) + ":00.0\" class=\"0x030200\" link_speed=\"32.0 GT/s PCIe\" link_width=\"16\"><gpu dev=\"" +
           std::to_string(dev) + "\" sm=\"120\" rank=\"" + std::to_string(dev) + "\"/></pci>";
  };
  const auto text =
      "<system version=\"1\"><cpu numaid=\"0\" arch=\"x86_64\" vendor=\"AuthenticAMD\" familyid=\"191\" modelid=\"2\">"
      "<pci busid=\"0000:a0:00.0\" class=\"0x060400\" vendor=\"0x1000\" device=\"0xC030\" link_speed=\"32.0 GT/s PCIe\" link_width=\"16\">" +
      gpu(0) + gpu(1) + "</pci></cpu></system>";
  const auto told = import_nccl_xml(text, "x.xml");
  ASSERT_TRUE(told) << describe(told.error());
  const auto is_switch = [](const Node& node) { return node.kind == NodeKind::pcie_switch; };
  EXPECT_EQ(std::ranges::find_if(told->topology.nodes(), is_switch)->switching.posted_writes, GBps(2.7));
  EXPECT_TRUE(std::ranges::any_of(told->topology.sources().values, [](const SourcedValue& value) { return value.value == "Broadcom PEX890xx"; }));
  const auto answered = import_nccl_xml(text, "x.xml", {.pcie_switch = "plain"});
  ASSERT_TRUE(answered);
  EXPECT_EQ(std::ranges::find_if(answered->topology.nodes(), is_switch)->switching, SwitchModel{});
}

}  // namespace
}  // namespace p2plab::links_as_they_are_test
