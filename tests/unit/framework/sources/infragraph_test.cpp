// SPDX-License-Identifier: Apache-2.0
// InfraGraph (Keysight/infragraph 2.4: schema/*.yaml; ASTRA-sim 3) in and out.
#include <gtest/gtest.h>

#include "p2plab/detail/text.h"
#include "p2plab/machine/islands.h"
#include "p2plab/machine/presets.h"
#include "p2plab/program/builtin_exporters.h"
#include "support/described.h"

namespace p2plab::infragraph_test {
namespace {

using test::algbw;
using test::busbw;
using test::count;
using test::source;
using test::width;

Topology pod(const MachineAnswers& answers = {}) {
  auto imported = load_infragraph(P2PLAB_SOURCE_DIR "/tests/data/field/a0_infragraph_pod.yaml", answers);
  EXPECT_TRUE(imported) << describe(imported.error());
  return imported->topology;
}

TEST(InfraGraph, DevicesInstancesAndSlicesBecomeAMachine) {
  const auto machine = pod();
  EXPECT_EQ(machine.ranks(), 8);
  EXPECT_EQ(machine.node(machine.node_of(Rank{5})).name, "host.1.xpu.1");
  EXPECT_EQ(count(machine, NodeKind::nvswitch), 2);
  EXPECT_EQ(count(machine, NodeKind::pcie_switch), 8);
  EXPECT_EQ(count(machine, NodeKind::host), 2);
  EXPECT_EQ(width(machine, 0, 3), 450);
  EXPECT_EQ(width(machine, 0, 4), 50);                                              // 400 Gb/s
  EXPECT_NEAR(algbw(machine, CollectiveKind::all_gather), 8.0 / 4 * 4 * 50, 1e-6);  // half of the data over four NICs
  const auto* lanes = source(machine, "PCIe");
  ASSERT_NE(lanes, nullptr);
  EXPECT_EQ(lanes->key, "pcie_width");  // 32 GT/s of how many lanes
  EXPECT_NEAR(lanes->most.gbps(), 63.015, 0.001);
  EXPECT_EQ(source(pod({.pcie_width = 8}), "PCIe")->origin, Origin::read);
}

std::string with(const std::string& was, const std::string& is) {
  std::string text = *read_text_file(P2PLAB_SOURCE_DIR "/tests/data/field/a0_infragraph_pod.yaml", 64_KiB);
  const auto at = text.find(was);
  EXPECT_NE(at, std::string::npos);
  return text.replace(at, was.size(), is);
}

std::string fault(const std::string& was, const std::string& is) {
  const auto imported = import_infragraph(with(was, is), "pod.yaml");
  return imported ? "accepted" : describe(imported.error());
}

TEST(InfraGraph, MistakesHaveTheirPlaceAndTheNearestName) {
  EXPECT_NE(fault("component: nvsw}", "component: nvws}").find("unknown component of 'server' 'nvws'"), std::string::npos);
  EXPECT_NE(fault("component: nvsw}", "component: nvws}").find("did you mean 'nvsw'"), std::string::npos);
  EXPECT_NE(fault("'pciesw[0:4:1]'", "'pciesw[0:5]'").find("pod.yaml:28:"), std::string::npos) << fault("'pciesw[0:4:1]'", "'pciesw[0:5]'");
  EXPECT_NE(fault("scheme: many2many, link: nvlink", "scheme: ring, link: nvlink").find("scheme 'ring'"), std::string::npos);
  EXPECT_NE(fault("device: server, count", "device: sever, count").find("did you mean 'server'"), std::string::npos);
  EXPECT_NE(fault("gigabits_per_second: 400", "gigabits_per_second: 0").find("must be above zero"), std::string::npos);
  EXPECT_NE(fault("cx7.port", "cx7").find("is a device, whose component must be named"), std::string::npos) << fault("cx7.port", "cx7");
  EXPECT_NE(fault("count: 4, choice: xpu", "count: 199999, choice: xpu").find("more than 200000 components"), std::string::npos);
  const auto square = import_infragraph(
      "devices:\n- {name: d, components: [{name: a, count: 5000, choice: xpu}, {name: b, count: 5000, choice: switch}], links: [{name: l}],\n"
      "   edges: [{ep1: {component: a}, ep2: {component: b}, scheme: many2many, link: l}]}\ninstances: [{name: i, device: d, count: 1}]\n",
      "square.yaml");  // 25 million edges
  ASSERT_FALSE(square);
  EXPECT_NE(describe(square.error()).find("more than 200000 edges"), std::string::npos) << describe(square.error());
}

// The blueprints of DGX give no bandwidth: the GPU's name does, or the question stands.
TEST(InfraGraph, AnNvlinkWithoutBandwidthIsAskedFor) {
  const std::string text =
      "devices:\n- name: dgx\n  components:\n  - {name: xpu, count: 8, choice: xpu}\n  - {name: nvlsw, count: 6, choice: switch}\n"
      "  links: [{name: nvlink}]\n  edges:\n  - {ep1: {component: xpu}, ep2: {component: nvlsw}, scheme: many2many, link: nvlink}\n"
      "instances: [{name: dgx, device: dgx, count: 1}]\n";
  const auto asked = import_infragraph(text, "dgx.yaml");
  ASSERT_FALSE(asked);
  EXPECT_NE(describe(asked.error()).find("--machine gpu=a100"), std::string::npos);
  const auto told = import_infragraph(text, "dgx.yaml", {.gpu = "a100"});
  ASSERT_TRUE(told) << describe(told.error());
  EXPECT_NEAR(busbw(told->topology), 300, 1e-6);
  EXPECT_EQ(told->topology.node(told->topology.node_of(Rank{3})).name, "gpu3");
}

Result<std::vector<ExportedFile>> written(const Topology& machine) {
  const auto exporters = builtin_exporters();
  return (*exporters.get("format", "infragraph"))->make()->write({.topology = &machine});  // of the plan it needs nothing
}

TEST(InfraGraph, WhatIsExportedReadsBackAsTheSameMachine) {
  for (const auto* preset : {"hgx-h200", "dgx-v100", "nvlink-quads", "pcie-server", "dgx-h200:nodes=2", "mi300x", "fat-tree"}) {
    const auto machine = *resolve_topology(preset);
    const auto files = written(machine);
    ASSERT_TRUE(files) << preset << describe(files.error());
    const auto back = import_infragraph(files->front().content, "x.json");
    ASSERT_TRUE(back) << preset << describe(back.error());
    EXPECT_EQ(back->topology.ranks(), machine.ranks()) << preset;
    EXPECT_NEAR(algbw(back->topology, CollectiveKind::all_gather), algbw(machine, CollectiveKind::all_gather), 1e-6) << preset;
    const auto islands = [](const Topology& topology) {
      std::vector<std::vector<std::vector<Rank>>> all;
      for (const auto& level : find_islands(topology)) all.push_back(level.islands);
      return all;
    };
    EXPECT_EQ(islands(back->topology), islands(machine)) << preset;
    EXPECT_EQ(test::reaches(back->topology, 0, 1), test::reaches(machine, 0, 1)) << preset;
  }
}

TEST(InfraGraph, WhatItCannotSayIsRefused) {
  const auto refusal = [](const Topology& machine) {
    const auto files = written(machine);
    return files ? std::string{"written"} : files.error().message;
  };
  Topology::Builder one_way("one-way");
  const auto a = one_way.add_node({.name = "gpu0"});
  const auto b = one_way.add_node({.name = "gpu1"});
  one_way.add_link({a, b, LinkKind::nvlink, GBps(50)});
  one_way.add_link({b, a, LinkKind::nvlink, GBps(25)});
  EXPECT_EQ(refusal(*std::move(one_way).build()), "InfraGraph: its edges have no direction, but gpu0 and gpu1 send unequally");
}

}  // namespace
}  // namespace p2plab::infragraph_test
