// SPDX-License-Identifier: Apache-2.0
#include "p2plab/machine/topology_view.h"
#include "p2plab/machine/svg_layout.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include <gtest/gtest.h>
#include <pugixml.hpp>

#include "p2plab/machine/mask.h"
#include "support/random_topology.h"
#include "support/reference.h"

namespace p2plab::topology_view_test {
namespace {

using test::machine;

std::string text_of(const std::string& name, const TextOptions& options = {}) {
  const auto server = machine(name);
  return topology_text(server, options);
}

nlohmann::json json_of(const std::string& name) {
  const auto server = machine(name);
  return nlohmann::json::parse(topology_json(server));
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

void expect_line(const std::string& text, const std::string& line) {
  const auto lines = lines_of(text);
  EXPECT_NE(std::ranges::find(lines, line), lines.end()) << "no line '" << line << "' in\n" << text;
}

TEST(TopologyText, TheMatrixOfADgx1ShowsLanesAndMissingRoutes) {
  const auto text = text_of("dgx-v100");
  expect_line(text, "  gpu0       X  NV 25  NV 25  NV 50  NV 50      -      -      -");
  expect_line(text, "  gpu7       -      -      -  NV 25  NV 50  NV 25  NV 50      X");
  expect_line(text, "  -    no route, unless another GPU relays");
  expect_line(text, "  gpu0-7: send 150 GB/s, receive 150 GB/s");
  expect_line(text, "No route without relaying through a GPU: 24 of 56 ordered pairs");
  expect_line(text, "  gpu1 to gpu4, gpu6-7");
}

TEST(TopologyText, TheBottleneckIsSaidInWords) {
  expect_line(text_of("pcie-server:upi=10"), "  from gpu4-7 to gpu0-3: 10 GB/s over socket1 -> socket0");
  expect_line(text_of("pcie-server:upi=10"), "  All data of 4 GPUs must pass there, so no all-gather over these 8 GPUs is faster than 20 GB/s");
}

TEST(TopologyText, IslandsAreListedByLevel) {
  const auto text = text_of("pcie-server");
  expect_line(text, "  level 0: gpu0-1 | gpu2-3 | gpu4-5 | gpu6-7");
  expect_line(text, "  level 1: gpu0-3 | gpu4-7");
}

TEST(TopologyText, LargeMachinesGetKindsOfRoutesAndNoMatrix) {
  const auto text = text_of("hgx-h200:nodes=4");
  const auto lines = lines_of(text);
  EXPECT_LT(lines.size(), 40U) << text;
  // 32 GPUs: 7 partners in the server, 24 outside.
  EXPECT_TRUE(std::ranges::any_of(lines, [](const auto& line) { return line.find("        768  NET         50      3.32") == 0; })) << text;
  EXPECT_TRUE(std::ranges::any_of(lines, [](const auto& line) { return line.find("        224  NV         450      0.65") == 0; })) << text;
}

TEST(TopologyText, NoLineIsWiderThanAsked) {
  for (const auto& preset : builtin_presets()) {
    for (const int columns : {80, 140, 160}) {
      for (const auto& line : lines_of(text_of(preset.name, {.columns = columns}))) {
        EXPECT_LE(line.size(), static_cast<std::size_t>(columns)) << preset.name << ": " << line;
      }
    }
  }
}

TEST(TopologyText, ALostDirectionIsNamed) {
  const auto server = apply_mask(machine("dgx-v100"), {.links = {{"gpu0", "gpu3", false}}});
  ASSERT_TRUE(server);
  expect_line(topology_text(*server), "  gpu3 -> gpu0: 50 GB/s, nothing back");
}

TEST(TopologyText, OneGpuAloneIsAMachineToo) { expect_line(text_of("full-mesh:gpus=1"), "full-mesh: 1 GPU, 0 links, each in one direction"); }

TEST(TopologyText, RunsOfNamesCloseUp) {
  EXPECT_EQ(short_names({"gpu0", "gpu1", "gpu2", "gpu5", "nic0", "host"}), "gpu0-2, gpu5, nic0, host");
  EXPECT_EQ(short_names({"gpu1", "gpu0"}), "gpu1, gpu0");
  EXPECT_EQ(short_names({"a07", "a08"}), "a07, a08") << "a number with a leading zero is part of a name";
  EXPECT_EQ(short_names({"x99999999999999999999", "x5"}), "x99999999999999999999, x5");
  EXPECT_EQ(short_names({}), "");
}

TEST(TopologyText, LargeSetsOfNodesAreSaidShortly) {
  const auto server = machine("full-mesh:gpus=32");
  const auto from_to = [&](std::int64_t first, std::int64_t end) {
    std::vector<NodeId> nodes;
    for (auto n = first; n < end; ++n) nodes.emplace_back(n);
    return set_of_names(server, nodes);
  };
  EXPECT_EQ(from_to(0, 3), "gpu0, gpu1, gpu2");
  EXPECT_EQ(from_to(1, 32), "all but gpu0");
  EXPECT_EQ(from_to(3, 16), "gpu3-15");
}

TEST(TopologyJson, HoldsTheWholeMachine) {
  const auto json = json_of("dgx-v100:pcie=on");
  EXPECT_EQ(json["ranks"], 8);
  EXPECT_EQ(json["nodes"].size(), 14U);
  EXPECT_EQ(json["links"].size(), 58U);
  EXPECT_EQ(json["matrix"]["bandwidth_gbps"][0][3], 50.0);
  EXPECT_EQ(json["matrix"]["kind"][0][5], "SYS");
  EXPECT_EQ(json["degrees"][0]["out_gbps"], 162.0);
  EXPECT_TRUE(json["unconnected"].empty());
}

TEST(TopologyJson, TheCutAndTheIslandsAreThere) {
  const auto json = json_of("hgx-h100:nodes=2,nics=2");
  EXPECT_EQ(json["bottleneck_cut"]["capacity_gbps"], 100.0);
  EXPECT_EQ(json["bottleneck_cut"]["inside"].size(), 8U);
  EXPECT_EQ(json["bottleneck_cut"]["all_gather_algbw_gbps"], 200.0);
  EXPECT_EQ(json["islands"][0]["islands"].size(), 2U);
  EXPECT_EQ(json["islands"][0]["inside_gbps"], 450.0);
  EXPECT_TRUE(json_of("full-mesh:gpus=1")["bottleneck_cut"].is_null());
}

// Names that would break a document if they were written as they are.
Topology hostile() {
  Topology::Builder builder("a<b>&\"c\\");
  const auto a = builder.add_node({"x\"; }\\", NodeKind::gpu});
  const auto b = builder.add_node({"<script>&\x01", NodeKind::gpu});
  const auto c = builder.add_node({"\xff\xfe", NodeKind::host});
  builder.add_duplex(a, b, LinkKind::nvlink, GBps(1), Seconds{0});
  builder.add_link({b, c, LinkKind::pcie, GBps(1), Seconds{0}});
  auto topology = std::move(builder).build();
  expects(static_cast<bool>(topology));
  return *std::move(topology);
}

TEST(TopologyJson, HostileNamesMakeAValidDocument) { EXPECT_FALSE(nlohmann::json::parse(topology_json(hostile()), nullptr, false).is_discarded()); }

int count(const pugi::xml_node& node, const std::string& name) {
  int found = node.name() == name ? 1 : 0;
  for (const auto& child : node.children()) found += count(child, name);
  return found;
}

TEST(TopologySvg, EveryPresetDrawsACircleForEachGpuWithinTheDocument) {
  for (const auto& preset : builtin_presets()) {
    const auto server = machine(preset.name);
    pugi::xml_document document;
    const auto svg = topology_svg(server);
    ASSERT_TRUE(document.load_string(svg.c_str())) << preset.name;
    const auto root = document.child("svg");
    EXPECT_EQ(count(root, "circle"), server.ranks()) << preset.name;
    double dx = 0;
    std::sscanf(root.child("g").attribute("transform").value(), "translate(%lf", &dx);
    const auto circles = root.child("g").children("circle");
    for (const auto& circle : circles) {
      const double x = circle.attribute("cx").as_double() + dx;
      const double r = circle.attribute("r").as_double();
      EXPECT_GE(x - r, 0) << preset.name;
      EXPECT_LE(x + r, root.attribute("width").as_double()) << preset.name;
    }
  }
}

TEST(TopologySvg, NoTwoNodesOverlap) {
  for (const auto& preset : builtin_presets()) {
    pugi::xml_document document;
    document.load_string(topology_svg(machine(preset.name)).c_str());
    struct Extent {
      double left, right, top, bottom;
    };
    std::vector<Extent> nodes;
    for (const auto& shape : document.child("svg").child("g").children()) {
      const auto value = [&](const char* key) { return shape.attribute(key).as_double(); };
      const std::string name = shape.name();
      if (name == "circle") nodes.push_back({value("cx") - value("r"), value("cx") + value("r"), value("cy") - value("r"), value("cy") + value("r")});
      if (name == "rect") nodes.push_back({value("x"), value("x") + value("width"), value("y"), value("y") + value("height")});
    }
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      for (std::size_t j = i + 1; j < nodes.size(); ++j) {
        const auto& a = nodes[i];
        const auto& b = nodes[j];
        // Servers around circles may touch at corners: allow 8 pixels of them.
        const bool apart = a.right <= b.left + 8 || b.right <= a.left + 8 || a.bottom <= b.top + 8 || b.bottom <= a.top + 8;
        ASSERT_TRUE(apart) << preset.name << ": nodes " << i << " and " << j;
      }
    }
  }
}

TEST(TopologySvg, WiderLinksAreWiderLines) {
  pugi::xml_document document;
  document.load_string(topology_svg(machine("dgx-v100")).c_str());
  double wide = 0;
  double narrow = 0;
  for (const auto& path : document.child("svg").child("g").children("path")) {
    const std::string title = path.child_value("title");
    if (title.find("50 GB/s") != std::string::npos) wide = path.attribute("stroke-width").as_double();
    if (title.find("25 GB/s") != std::string::npos) narrow = path.attribute("stroke-width").as_double();
  }
  EXPECT_GT(narrow, 0);
  EXPECT_GT(wide, narrow);
}

TEST(TopologySvg, ALostLaneIsSeenAtOnce) {
  const auto whole = machine("hgx-h200");
  const auto lost = apply_mask(whole, {.links = {{.from = "gpu3", .to = "nvswitch0", .bandwidth = Bandwidth::bytes_per_second(25'000'000'000)}}});
  ASSERT_TRUE(lost);
  EXPECT_EQ(topology_svg(whole).find("stroke-dasharray"), std::string::npos);
  pugi::xml_document document;
  document.load_string(topology_svg(*lost).c_str());
  int broken = 0;
  for (const auto& path : document.child("svg").child("g").children("path")) broken += path.attribute("stroke-dasharray") ? 1 : 0;
  EXPECT_EQ(broken, 1);
  EXPECT_NE(topology_svg(*lost).find(">425 GB/s</text>"), std::string::npos);
}

// Half of a DGX-1's pairs have two lanes, half have one: none of them lacks any.
TEST(TopologySvg, OfTwoEqualHalvesNeitherLacksAnything) { EXPECT_EQ(topology_svg(machine("dgx-v100")).find("stroke-dasharray"), std::string::npos); }

// Rows and columns of GPUs; both ends of each are joined by a line that no GPU stands on.
TEST(TopologySvg, ATorusIsAGrid) {
  for (const auto& [name, columns, rows] : {std::tuple{"torus:dims=8x8", 8, 8}, {"mesh:dims=4x6", 4, 6}, {"torus:dims=3x5", 3, 5}}) {
    const auto torus = machine(name);
    const auto drawing = place_nodes(torus);
    std::map<double, int> columns_of;
    std::map<double, int> rows_of;
    for (const auto& node : drawing.nodes) ++columns_of[node.x], ++rows_of[node.y];
    EXPECT_TRUE(drawing.grid) << name;
    EXPECT_EQ(columns_of.size(), static_cast<std::size_t>(columns)) << name;
    EXPECT_EQ(rows_of.size(), static_cast<std::size_t>(rows)) << name;
  }
  EXPECT_FALSE(place_nodes(machine("torus:dims=3x3x3")).grid || place_nodes(machine("ring:gpus=12")).grid);
}

// 128 GPUs, no node on another, on a screen at letters of over half their size.
TEST(TopologySvg, SixteenBoxesFitAScreen) {
  for (const char* name : {"hgx-h200:nodes=16", "dgx-a100:nodes=16,network=rail"}) {
    const auto drawing = place_nodes(machine(name));
    EXPECT_TRUE(drawing.folded) << name;
    EXPECT_TRUE(drawing.width < 2200 && drawing.height < 2000) << name;
    for (std::size_t i = 0; i < drawing.nodes.size(); ++i) {
      const auto& a = drawing.nodes[i];
      EXPECT_TRUE(a.x >= a.width / 2 && a.x + a.width / 2 <= drawing.width) << name << i;
      for (std::size_t j = 0; j < i; ++j) {
        const auto& b = drawing.nodes[j];
        const bool apart = std::abs(a.x - b.x) >= (a.width + b.width) / 2 || std::abs(a.y - b.y) >= (a.height + b.height) / 2;
        ASSERT_TRUE(apart) << name << ": nodes " << i << " and " << j;
      }
    }
  }
  EXPECT_FALSE(place_nodes(machine("hgx-h200:nodes=2")).folded);
}

TEST(TopologySvg, HostileNamesMakeAValidDocument) {
  pugi::xml_document document;
  EXPECT_TRUE(document.load_string(topology_svg(hostile()).c_str()));
}

TEST(TopologyView, RandomMachinesMakeValidDocuments) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const auto server = test::RandomTopology{seed}.make();
    EXPECT_FALSE(topology_text(server, {.columns = 80}).empty());
    EXPECT_FALSE(nlohmann::json::parse(topology_json(server), nullptr, false).is_discarded()) << seed;
    pugi::xml_document document;
    ASSERT_TRUE(document.load_string(topology_svg(server).c_str())) << seed;
    EXPECT_EQ(count(document.child("svg"), "circle"), server.ranks()) << seed;
    EXPECT_EQ(topology_svg(server).find("nan"), std::string::npos) << seed;
  }
}

TEST(TopologyDot, HasOneEdgeForTwoLikeDirectionsAndTwoForUnlikeOnes) {
  const auto edges = [](const Topology& topology) {
    const auto dot = topology_dot(topology);
    int found = 0;
    for (auto at = dot.find(" -> "); at != std::string::npos; at = dot.find(" -> ", at + 1)) ++found;
    return found;
  };
  EXPECT_EQ(edges(machine("dgx-v100")), 16);
  EXPECT_EQ(edges(machine("ring:gpus=5,directions=one")), 5);
  const auto lane = apply_mask(machine("dgx-v100"), {.links = {{.from = "gpu0", .to = "gpu3", .both_directions = false, .fraction = 0.5}}});
  ASSERT_TRUE(lane);
  EXPECT_EQ(edges(*lane), 17);
}

}  // namespace
}  // namespace p2plab::topology_view_test
