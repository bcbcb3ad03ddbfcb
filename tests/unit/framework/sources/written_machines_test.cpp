// SPDX-License-Identifier: Apache-2.0
// A preset, written as nvidia-smi's text and as NCCL's XML and read back, is the same machine: the same graph where NVLinks join all GPUs, else the
// same bounds, islands and order of places. What the text cannot hold is given as an answer, and is asked for without.
#include <gtest/gtest.h>

#include "p2plab/bounds/place.h"
#include "p2plab/machine/islands.h"
#include "p2plab/machine/presets.h"
#include "p2plab/machine/topology_import.h"
#include "p2plab/program/plan_io.h"
#include "support/same_topology.h"
#include "support/written_machine.h"

namespace p2plab {
namespace {

struct Written {
  std::string preset;
  testing::WrittenAs as;
  MachineAnswers answers;
  bool same_graph = true;
};

const std::vector<Written>& machines() {
  static const std::vector<Written> all{
      {"dgx-p100", {.lane = GBps(20), .compute_capability = 60}, {.gpu = "p100"}},
      {"dgx-v100", {.compute_capability = 70}, {.gpu = "v100"}},
      {"dgx-2", {.compute_capability = 70}, {.gpu = "v100"}},
      {"dgx-a100", {.compute_capability = 80}, {.gpu = "a100"}},
      {"hgx-h100", {}, {.gpu = "h100"}},
      {"hgx-h200:gpus=4", {}, {.gpu = "h200"}},
      {"hgx-h200", {}, {.gpu = "h200"}},
      {"hgx-b200", {.lane = GBps(50), .compute_capability = 100}, {.gpu = "b200"}},
      {"nvl72:gpus=8", {.lane = GBps(50), .compute_capability = 100}, {.gpu = "gb200"}},
      {"nvlink-pairs", {.lane = GBps(14.0625), .compute_capability = 86}, {.gpu = "a6000", .pcie = GBps(24)}, false},
      {"nvlink-quads", {.lane = GBps(25)}, {.gpu = "h200nvl", .pcie = GBps(48), .socket_link = GBps(22)}, false},
      {"pcie-server", {}, {.gpu = "l40s", .pcie = GBps(24), .socket_link = GBps(10)}, false},
      {"pcie-server:gpus=4,switches=0,sockets=1", {}, {.gpu = "l40s", .pcie = GBps(24)}, false}};
  return all;
}

void expect_same(const Topology& preset, const Topology& back, const Written& machine) {
  if (machine.same_graph) {
    EXPECT_EQ(fingerprint(preset), fingerprint(back)) << machine.preset << testing::same_topology(preset, back).message();
    return;
  }
  for (const auto kind : {CollectiveKind::all_gather, CollectiveKind::all_reduce}) {
    const auto collective = make_collective(kind, preset.ranks());
    EXPECT_EQ(bound(preset, collective)->inverse_rate, bound(back, collective)->inverse_rate) << machine.preset;
  }
  const auto islands = [](const Topology& topology) {
    std::vector<std::vector<std::vector<Rank>>> all;
    for (const auto& level : find_islands(topology, Routes(topology))) all.push_back(level.islands);
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
    const auto back = import_smi(testing::smi_text(preset, machine.as), "x.txt", machine.answers);
    ASSERT_TRUE(back) << machine.preset << describe(back.error());
    expect_same(preset, back->topology, machine);
  }
}

TEST(WrittenMachines, AreTheSameReadFromNcclsXml) {
  for (const auto& machine : machines()) {
    const auto preset = *resolve_topology(machine.preset);
    const auto back = import_nccl_xml(testing::nccl_text(preset, machine.as), "x.xml", machine.answers);
    ASSERT_TRUE(back) << machine.preset << describe(back.error());
    expect_same(preset, back->topology, machine);
  }
}

TEST(WrittenMachines, NicsNumberingAndColumnsChangeNothing) {
  for (const auto& machine : machines()) {
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
      const auto text = testing::smi_text(preset, as);
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
    const auto back = *import_smi(testing::smi_text(preset, machine.as), "x.txt");
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
}  // namespace p2plab
