// SPDX-License-Identifier: Apache-2.0
// Fabrics as ibnetdiscover prints them. The file was printed by ibnetdiscover 44.0 itself from a fabric that
// was made up: four hosts, two leaves, two spines, taper 2.
#include <gtest/gtest.h>

#include <algorithm>

#include "p2plab/machine/cuts.h"
#include "p2plab/machine/presets.h"
#include "p2plab/machine/topology_import.h"
#include "p2plab/segments/servers.h"

namespace p2plab::ibnetdiscover_test {
namespace {

const std::string file = P2PLAB_SOURCE_DIR "/tests/data/ibnetdiscover_4hosts.txt";

Imported fabric(const std::string& server) {
  auto read = load_ibnetdiscover(file, *read_answers({{"server", server}}));
  EXPECT_TRUE(read) << (read ? "" : read.error().message);
  return *std::move(read);
}

Bandwidth between(const Topology& machine, const std::string& a, const std::string& b) {
  const auto from = machine.find_node(a);
  const auto to = machine.find_node(b);
  EXPECT_TRUE(from && to) << a << ", " << b;
  for (const auto link : machine.out_links(*from)) {
    if (machine.link(link).to == *to) return machine.link(link).bandwidth;
  }
  return {};
}

TEST(IbNetDiscover, HostsAreServersAndCablesLinks) {
  const auto [machine, warnings] = fabric("hgx-h100:gpus=4");
  EXPECT_EQ(machine.ranks(), 16);
  EXPECT_EQ(machine.name(), "ibnetdiscover_4hosts");
  const auto servers = servers_of(machine);
  EXPECT_EQ(servers.count(), 4);
  EXPECT_EQ(between(machine, "node01.gpu2", "node01.mlx5_2"), GBps(50));
  EXPECT_EQ(between(machine, "node03.mlx5_0", "MF0;ib-leaf02:MQM9700/U1"), GBps(50));
  EXPECT_EQ(between(machine, "MF0;ib-leaf01:MQM9700/U1", "MF0;ib-spine02:MQM9700/U1"), GBps(100));  // two cables
  EXPECT_EQ(between(machine, "node04.gpu0", "node04.nvswitch0"), GBps(450));
  EXPECT_FALSE(machine.find_node("node01.mlx5_4"));
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_EQ(warnings.front(), "node01 and 3 more have more adapters than 4 GPUs: mlx5_4 are taken for storage and left out");
}

TEST(IbNetDiscover, ATaperedTreeIsAsNarrowAsItsSpines) {
  const auto machine = fabric("hgx-h100:gpus=4").topology;
  std::vector<Rank> left;
  std::vector<Rank> right;
  for (int rank = 0; rank < 16; ++rank) (rank < 8 ? left : right).emplace_back(rank);
  EXPECT_EQ(capacity_between(machine, left, right), GBps(200));
}

TEST(IbNetDiscover, GpusShareAdaptersOverTheirPcieSwitch) {
  const auto machine = fabric("hgx-h100:pcie=on").topology;
  EXPECT_EQ(machine.ranks(), 32);
  EXPECT_EQ(between(machine, "node01.pcie0", "node01.mlx5_0"), GBps(50));
  EXPECT_EQ(between(machine, "node02.pcie3", "node02.mlx5_4"), GBps(25));  // five adapters now
}

TEST(IbNetDiscover, WhatAServersGroupsCountTheyCountInTheFabric) {
  const auto server = *make_preset("pcie-server", {{"gpus", "4"}, {"host_loads", "2 GB/s"}});
  const auto [machine, warnings] = fabric("pcie-server:gpus=4,host_loads=2 GB/s");
  ASSERT_FALSE(server.groups().empty());
  for (const auto& group : server.groups()) {
    const auto found = std::ranges::find(machine.groups(), "node01." + group.name, &LinkGroup::name);
    ASSERT_NE(found, machine.groups().end()) << group.name;
    EXPECT_EQ(found->of, group.of) << group.name;
  }
}

TEST(IbNetDiscover, ItsTextIsKnownWherever) {
  const auto as_text = resolve_topology(file, nullptr, *read_answers({{"server", "hgx-h100:gpus=4"}}));
  ASSERT_TRUE(as_text);
  EXPECT_EQ(as_text->ranks(), 16);
}

// A file of 100 KB may name thousands of hosts, and each would be a copy of the server.
TEST(IbNetDiscover, HostsAndServersDoNotMultiplyWithoutLimit) {
  std::string text = "Switch\t4 \"S-01\"\t\t# \"leaf\" base port 0 lid 1 lmc 0\n";
  for (int host = 0; host < 1000; ++host) {
    text += "Ca\t1 \"H-" + std::to_string(host) + "\"\t\t# \"node" + std::to_string(host) + " mlx5_0\"\n";
    text += "[1](01) \t\"S-01\"[1]\t\t# lid 2 lmc 0 \"leaf\" lid 1 4xHDR\n";
  }
  MachineAnswers answers;
  answers.server = "hgx-h100:nodes=64";
  const auto read = import_ibnetdiscover(text, "ib.txt", answers);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::unsupported);
  EXPECT_TRUE(read.error().message.starts_with("1000 hosts of 512 GPUs, ")) << read.error().message;
  EXPECT_NE(read.error().message.find("more than a machine has: 16384 GPUs"), std::string::npos) << read.error().message;
}

TEST(IbNetDiscover, MistakesAreSaidWithTheirPlace) {
  const auto refused = [](const std::string& text, const std::string& server = "hgx-h100") {
    MachineAnswers answers;
    answers.server = server;
    const auto read = import_ibnetdiscover(text, "ib.txt", answers);
    EXPECT_FALSE(read);
    return read ? std::string() : read.error().message;
  };
  const std::string leaf = "Switch\t4 \"S-01\"\t\t# \"leaf\" base port 0 lid 1 lmc 0\n";
  const std::string host = "Ca\t1 \"H-01\"\t\t# \"node01 mlx5_0\"\n[1](01) \t\"S-01\"[1]\t\t# lid 2 lmc 0 \"leaf\" lid 1 4xHDR\n";
  EXPECT_EQ(refused(leaf + host, ""), "a fabric does not tell which GPUs its hosts have");
  EXPECT_EQ(refused(leaf + leaf), "'S-01' is there twice");
  EXPECT_EQ(refused(host), "'S-01' is joined, but the file has no such node");
  EXPECT_EQ(refused("[1]\t\"S-01\"[1]\n"), "a port before the first node");
  EXPECT_EQ(refused(leaf + "[1]\t\"H-01\"[1](01) \t\t# \"x 4xHDR\" lid 2 4xABC\n"), "expected the cable's width and speed at the end, as in 4xHDR");
  EXPECT_EQ(refused(leaf + "[x]\t\"H-01\"[1]\n"), "expected a port such as [22] \"H-0008f10403961354\"[1]");
  EXPECT_EQ(refused("hello\n"), "expected a line of ibnetdiscover: a node (Switch, Ca, Rt) or one of its ports");
  EXPECT_EQ(refused(leaf), "no adapter's description names its host, so servers cannot be told apart");
  const auto read = import_ibnetdiscover(leaf + "oops\n", "ib.txt");
  ASSERT_TRUE(read.error().where);
  EXPECT_EQ(read.error().where->line, 2);
}

}  // namespace
}  // namespace p2plab::ibnetdiscover_test
