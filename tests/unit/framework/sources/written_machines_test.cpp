// SPDX-License-Identifier: Apache-2.0
// A preset, written as nvidia-smi's text, as NCCL's XML and as recorded facts, and read back, is the same machine: the same graph where NVLinks join
// all GPUs, else the same bounds, islands and order of places. What the text cannot hold is given as an answer, and is asked for without.
#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <gtest/gtest.h>

#include "p2plab/bounds/place.h"
#include "p2plab/machine/gpu_kind.h"
#include "p2plab/machine/islands.h"
#include "p2plab/machine/machine_facts.h"
#include "p2plab/machine/presets.h"
#include "p2plab/machine/topology_import.h"
#include "p2plab/program/plan_io.h"
#include "support/same_topology.h"
#include "support/written_machine.h"

namespace p2plab::written_machines_test {
namespace {

struct Written {
  std::string preset;
  test::WrittenAs as;
  MachineAnswers answers;
  bool same_graph = true;
};

const std::vector<Written>& machines() {
  static const std::vector<Written> all{
      {"dgx-p100", {.link = GBps(20), .compute_capability = 60}, {.gpu = "p100"}},
      {"dgx-v100", {.compute_capability = 70}, {.gpu = "v100"}},
      {"dgx-2", {.compute_capability = 70}, {.gpu = "v100"}},
      {"dgx-a100", {.compute_capability = 80}, {.gpu = "a100"}},
      {"hgx-h100", {}, {.gpu = "h100"}},
      {"hgx-h200:gpus=4", {}, {.gpu = "h200"}},
      {"hgx-h200", {}, {.gpu = "h200"}},
      {"hgx-b200", {.link = GBps(50), .compute_capability = 100}, {.gpu = "b200"}},
      {"dgx-h100", {}, {.gpu = "h100"}},
      {"dgx-h200", {}, {.gpu = "h200"}},
      {"dgx-b200", {.link = GBps(50), .compute_capability = 100}, {.gpu = "b200"}},
      {"hgx-a100", {.compute_capability = 80}, {.gpu = "a100"}},
      {"nvl72", {.link = GBps(50), .compute_capability = 100}, {.gpu = "gb200"}},
      {"nvl72:gpus=8", {.link = GBps(50), .compute_capability = 100}, {.gpu = "gb200"}},
      {"nvlink-pairs", {.link = GBps(14.0625), .compute_capability = 86}, {.gpu = "a6000", .pcie = GBps(24)}, false},
      {"nvlink-quads", {.link = GBps(25)}, {.gpu = "h200nvl", .pcie = GBps(48), .socket_link = GBps(38.4)}, false},
      {"pcie-server", {}, {.gpu = "l40s", .pcie = GBps(24), .socket_link = GBps(19.2)}, false},
      {"pcie-server:gpus=4,switches=0,sockets=1", {}, {.gpu = "l40s", .pcie = GBps(24)}, false}};
  return all;
}

// Presets that one of these formats cannot say, and why.
const std::map<std::string, std::string>& unwritten() {
  static const std::map<std::string, std::string> all{
      {"mi250x", "AMD's: nvidia-smi and NVML do not see it, rocm-smi's text gives no number of links between two dies; NCCL's XML does"},
      {"mi100", "AMD's: nvidia-smi and NVML do not see it; NCCL's XML does"},
      {"mi300x", "as the MI100"},
      {"mi325x", "as the MI100"},
      {"mi350x", "as the MI100"},
      {"mi355x", "as the MI100"},
      {"ring", "a graph of theory: no tool writes it"},
      {"mesh", "a graph of theory: no tool writes it"},
      {"torus", "a graph of theory: no tool writes it"},
      {"hypercube", "a graph of theory: no tool writes it"},
      {"full-mesh", "a graph of theory: no tool writes it"},
      {"star", "a graph of theory: no tool writes it"},
      {"fat-tree", "a network: NCCL's XML knows servers and the speeds of their ports, not the switches between"},
      {"dragonfly", "a network: NCCL's XML knows servers and the speeds of their ports, not the switches between"}};
  return all;
}

// In no order.
std::multiset<std::tuple<std::string, std::string, LinkKind, Bandwidth, Seconds>> links_of(const Topology& machine) {
  std::multiset<std::tuple<std::string, std::string, LinkKind, Bandwidth, Seconds>> all;
  for (const auto& link : machine.links())
    all.emplace(machine.node(link.from).name, machine.node(link.to).name, link.kind, link.bandwidth, link.latency);
  return all;
}

std::string title_of(const Topology& machine) {
  const auto kind = gpu_kind(machine);
  return kind ? kind->title : "";
}

void expect_same(const Topology& preset, const Topology& back, const Written& machine) {
  // The same GPUs, and so the same usual profile; a preset that names none is answered.
  const auto title = title_of(preset);
  EXPECT_EQ(title_of(back), title.empty() ? title_of(*answered(preset, {.gpu = machine.answers.gpu})) : title) << machine.preset;
  if (machine.same_graph) {
    EXPECT_EQ(preset.fingerprint(), back.fingerprint()) << machine.preset << test::same_topology(preset, back).message();
    return;
  }
  for (const auto kind : {CollectiveKind::all_gather, CollectiveKind::all_reduce}) {
    const auto collective = make_collective(kind, preset.ranks());
    EXPECT_EQ(bound(preset, collective)->inverse_rate, bound(back, collective)->inverse_rate) << machine.preset;
  }
  const auto islands = [](const Topology& topology) {
    std::vector<std::vector<std::vector<Rank>>> all;
    for (const auto& level : find_islands(topology)) all.push_back(level.islands);
    return all;
  };
  EXPECT_EQ(islands(preset), islands(back)) << machine.preset;
  const auto places = [](const Topology& topology) {
    std::vector<std::pair<double, std::int64_t>> all;
    for (const auto& placement : *place(topology, topology.ranks() / 2)) all.emplace_back(placement.busbw_gbps, placement.alike);
    return all;
  };
  EXPECT_EQ(places(preset), places(back)) << machine.preset;
}

TEST(WrittenMachines, AreTheSameReadFromNvidiaSmisText) {
  for (const auto& machine : machines()) {
    const auto preset = *resolve_topology(machine.preset);
    const auto back = import_smi(test::smi_text(preset, machine.as), "x.txt", machine.answers);
    ASSERT_TRUE(back) << machine.preset << describe(back.error());
    expect_same(preset, back->topology, machine);
  }
}

TEST(WrittenMachines, AreTheSameReadFromNcclsXml) {
  for (const auto& machine : machines()) {
    const auto preset = *resolve_topology(machine.preset);
    const auto back = import_nccl_xml(test::nccl_text(preset, machine.as), "x.xml", machine.answers);
    ASSERT_TRUE(back) << machine.preset << describe(back.error());
    expect_same(preset, back->topology, machine);
  }
}

TEST(WrittenMachines, AreTheSameReadFromRecordedFacts) {
  for (const auto& machine : machines()) {
    const auto preset = *resolve_topology(machine.preset);
    const auto facts = test::facts_of(preset, machine.as, machine.answers.gpu);
    const auto read = read_facts(write_facts(facts), "facts.json");
    ASSERT_TRUE(read) << machine.preset << describe(read.error());
    const auto back = build_machine(*read, machine.answers);
    ASSERT_TRUE(back) << machine.preset << describe(back.error());
    expect_same(preset, back->topology, machine);
  }
}

// What a file says of GPU 100 of a machine that has four is a mistake in it, named with its line.
TEST(RecordedFacts, NamePairsOfGpusThatAreThere) {
  const auto good = test::facts_of(*resolve_topology("hgx-h200:gpus=4"), {.link = GBps(25)}, "h200");
  ASSERT_FALSE(good.peers.empty());
  const auto said = [&](int from, int to) {
    auto facts = good;
    facts.peers.push_back({from, to, true, true, 0});
    const auto read = read_facts(write_facts(facts), "facts.json");
    return read ? std::string{} : describe(read.error());
  };
  EXPECT_NE(said(100, 1).find("there is no GPU 100: 'cuda' has 4"), std::string::npos) << said(100, 1);
  EXPECT_NE(said(1, 4).find("there is no GPU 4: 'cuda' has 4"), std::string::npos) << said(1, 4);
  EXPECT_NE(said(2, 2).find("GPU 2 is no peer of itself"), std::string::npos) << said(2, 2);
  EXPECT_NE(said(good.peers[0].from, good.peers[0].to).find("is there twice"), std::string::npos);
  EXPECT_TRUE(said(100, 1).starts_with("facts.json:")) << said(100, 1);
}

TEST(WrittenMachines, AmdsAreTheSameReadFromNcclsXml) {
  for (const auto& machine : {Written{"mi250x", {.link = GBps(50), .gcn = "gfx90a"}, {.gpu = "mi250x"}},
                              Written{"mi300x", {.link = GBps(64), .gcn = "gfx942"}, {.gpu = "mi300x"}}}) {
    const auto preset = *resolve_topology(machine.preset);
    const auto back = import_nccl_xml(test::nccl_text(preset, machine.as), "x.xml", machine.answers);
    ASSERT_TRUE(back) << machine.preset << describe(back.error());
    EXPECT_EQ(links_of(back->topology), links_of(preset)) << machine.preset;  // the preset lists pairs in an order of its own
    EXPECT_EQ(title_of(back->topology), title_of(preset));
  }
}

// A new preset joins one of the two lists.
TEST(WrittenMachines, EveryPresetIsReadBackOrItIsSaidWhyNot) {
  for (const auto& preset : builtin_presets()) {
    const bool read_back =
        std::ranges::any_of(machines(), [&](const Written& one) { return one.preset == preset.name || one.preset.starts_with(preset.name + ":"); });
    EXPECT_NE(read_back, unwritten().contains(preset.name)) << preset.name;
  }
}

TEST(WrittenMachines, NicsNumberingAndColumnsChangeNothing) {
  for (const auto& machine : machines()) {
    if (machine.preset == "nvl72") continue;  // eighteen servers: nvidia-smi shows one
    const auto preset = *resolve_topology(machine.preset);
    for (const auto& [numa, nics, last] : {std::tuple{std::vector<std::string>{}, 2, true},
                                           {{}, 0, false},
                                           {{"1", "0"}, 0, true},
                                           {{"0", "1", "2", "3"}, 1, true},
                                           {{"0", "1", "2", "3", "4", "5", "6", "7"}, 0, false}}) {
      auto as = machine.as;
      as.numa = numa;
      as.nics = nics;
      as.last_column = last;
      const auto text = test::smi_text(preset, as);
      const auto back = import_smi(text, "x.txt", machine.answers);
      ASSERT_TRUE(back) << machine.preset << describe(back.error());
      expect_same(preset, back->topology, machine);
      if (::testing::Test::HasFailure()) FAIL() << text;
    }
  }
}

TEST(WrittenMachines, WhatTheTextCannotHoldIsNamed) {
  for (const auto& machine : machines()) {
    const auto preset = *resolve_topology(machine.preset);
    const auto back = *import_smi(test::smi_text(preset, machine.as), "x.txt");
    const auto asked = [&](const std::string& key) {
      return std::ranges::any_of(back.topology.sources().values,
                                 [&](const SourcedValue& value) { return value.key == key && value.origin == Origin::assumed; });
    };
    EXPECT_TRUE(asked("gpu")) << machine.preset;
    const bool two_sockets = std::ranges::count(back.topology.nodes(), NodeKind::host, &Node::kind) > 1;
    EXPECT_EQ(two_sockets, asked("socket_link")) << machine.preset;
    EXPECT_EQ(back.warnings.empty(), false) << machine.preset;
  }
}

}  // namespace
}  // namespace p2plab::written_machines_test
