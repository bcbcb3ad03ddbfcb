// SPDX-License-Identifier: Apache-2.0
// Machines of several servers from the command line: which GPUs of which hosts, and what Slurm and MPI read of it.
#include <algorithm>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "program.h"

namespace p2plab::servers_test {
namespace {

using test::json_of;
using test::p2plab;

TEST(Servers, ArePlacedOnAndTheirHostsWritten) {
  const auto file = test::scratch("hosts.txt");
  const auto said =
      p2plab("place --topology hgx-h100:nodes=8,network=tree,leaf=2,taper=4 --gpus 16 --hosts 'node[01-08]' --hostfile '" + file.string() + "'");
  ASSERT_EQ(said.exit, 0) << said.err;
  EXPECT_NE(said.out.find("ranks 0-7, CUDA_VISIBLE_DEVICES="), std::string::npos) << said.out;
  const auto hosts = test::content(file);
  EXPECT_EQ(std::count(hosts.begin(), hosts.end(), '\n'), 16);
  EXPECT_EQ(hosts.substr(0, 7 * 8), "node01\nnode01\nnode01\nnode01\nnode01\nnode01\nnode01\nnode01\n");
  EXPECT_EQ(json_of("place --topology hgx-h100:nodes=8 --gpus 16 --json")["hosts"].size(), 16U);
  EXPECT_EQ(p2plab("place --topology hgx-h100:nodes=8 --gpus 16 --hosts node1").exit, 2);
  EXPECT_EQ(p2plab("place --topology hgx-h100:nodes=2 --gpus 16 --hosts 'node[2-1]'").exit, 2);
  const auto twice = p2plab("place --topology hgx-h100:nodes=2 --gpus 16 --hosts a,a");
  EXPECT_EQ(twice.exit, 2);
  EXPECT_NE(twice.err.find("'a' is named twice"), std::string::npos) << twice.err;
  // As Slurm prints nodes.
  EXPECT_EQ(json_of("place --topology hgx-h100:nodes=4 --gpus 32 --hosts 'node[01-02,07],x' --json")["hosts"][16], "node07");
}

// Numbers of GPUs are a host's own, whatever is placed there, and however early that ends.
TEST(Servers, OfGroupsAndOfPlacesFoundSoFarAreNamedByHost) {
  const auto groups = p2plab("place --topology hgx-h100:nodes=2,gpus=4 --groups tp=4,pp=2");
  EXPECT_NE(groups.out.find("  node1: ranks 4-7, CUDA_VISIBLE_DEVICES=0,1,2,3\n"), std::string::npos) << groups.out << groups.err;
  const auto early = p2plab("place --topology hgx-h100:nodes=2,gpus=8 --gpus 8 --time-limit 0");
  EXPECT_NE(early.out.find("  node0: ranks 0-7, CUDA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7\n"), std::string::npos) << early.out << early.err;
}

// A host of the fabric has one NIC less, so no two sets of GPUs are alike: still the best one is found at once.
TEST(Servers, OfAFabricThatLostANicArePlacedOnInTime) {
  std::ifstream whole(std::filesystem::path(P2PLAB_SOURCE_DIR) / "tests/data/ibnetdiscover_4hosts.txt");
  const auto file = test::scratch("lost.txt");
  {
    std::ofstream lost(file);
    for (std::string line; std::getline(whole, line);) {
      if (line.find("(c42a10300a10221)") == std::string::npos) lost << line << '\n';  // both ends of node02's mlx5_2
    }
  }
  const auto json = json_of("place --topology '" + file.string() + "' --machine server=hgx-h100:gpus=4,pcie=on --gpus 8 --json");
  EXPECT_EQ(json["hosts"], nlohmann::json::parse(R"(["node03","node03","node03","node03","node04","node04","node04","node04"])"));
}

TEST(Servers, ArePlannedForAsAPlanRunsThere) {
  const std::string plan = "plan --topology hgx-h100:nodes=2,gpus=2 --size '1 MiB' --algorithm hierarchical";
  const auto json = json_of(plan + " --json");
  EXPECT_EQ(json["over_servers"]["servers"], 2);
  EXPECT_GT(json["over_servers"]["stages"], 1);
  const auto file = test::scratch("plan.json");
  ASSERT_EQ(p2plab(plan + " --out '" + file.string() + "'").exit, 0);
  const auto staged = json_of("simulate '" + file.string() + "' --stages --json");
  EXPECT_DOUBLE_EQ(staged["predicted_us"].get<double>(), json["over_servers"]["predicted_us"].get<double>());
  EXPECT_FALSE(json_of("plan --topology hgx-h100:gpus=2 --json").contains("over_servers"));
}

// Its server's other NICs take its share in the one; in the other all goes on as it was planned, and two NICs' data over one.
TEST(Servers, ThatLostANicHaveAPlanThatIsFasterThanTheOneOfAllNics) {
  const auto json =
      json_of("what-if --topology hgx-h100:nodes=2,gpus=8,nics=4,pcie=on --size 64MiB --algorithm auto --link nic0,net0=0 --json")["what_if"][0];
  EXPECT_LT(json["replanned_us"].get<double>() * 1.3, json["same_plan_us"].get<double>()) << json;
}

TEST(Servers, AreATreeOfSwitchesForSlurm) {
  const auto tree = p2plab("topo show hgx-h100:nodes=4,network=tree,leaf=2 --slurm --hosts 'node[1-4]'");
  EXPECT_EQ(tree.out,
            "# Slurm's topology.conf of hgx-h100, for TopologyPlugin=topology/tree\n"
            "SwitchName=net0 Nodes=node1,node2\nSwitchName=net1 Nodes=node3,node4\nSwitchName=spine Switches=net0,net1\n")
      << tree.err;
  // A node has one switch there, so rails are one.
  EXPECT_EQ(p2plab("topo show hgx-h100:nodes=2,network=rail --slurm").out,
            "# Slurm's topology.conf of hgx-h100, for TopologyPlugin=topology/tree\nSwitchName=net0 Nodes=node0,node1\n");
  EXPECT_EQ(p2plab("topo show hgx-h100 --slurm").exit, 1);
}

// Slurm takes neither blanks nor colons in names, and none twice; so do hostfiles hosts.
TEST(Servers, HaveNamesOfTheirOwnWhateverTheyAreCalled) {
  const auto file = test::scratch("names.yaml");
  std::ofstream(file) << R"(version: 1
name: pairs
nodes:
  - {name: node1.gpu0, kind: gpu}
  - {name: other, kind: gpu}
  - {name: "leaf:1", kind: switch}
  - {name: "leaf 1", kind: switch}
  - {name: all, kind: switch}
links:
  - {between: [node1.gpu0, "leaf:1"], bandwidth: 25 GB/s, kind: network}
  - {between: [other, "leaf 1"], bandwidth: 25 GB/s, kind: network}
  - {between: ["leaf:1", all], bandwidth: 25 GB/s, kind: network}
  - {between: ["leaf 1", all], bandwidth: 25 GB/s, kind: network}
)";
  const auto conf = p2plab("topo show '" + file.string() + "' --slurm");
  EXPECT_EQ(conf.out,
            "# Slurm's topology.conf of pairs, for TopologyPlugin=topology/tree\n"
            "SwitchName=leaf_1 Nodes=node0\nSwitchName=leaf_1_2 Nodes=node1\nSwitchName=all Switches=leaf_1,leaf_1_2\n")
      << conf.err;
}

TEST(Servers, OfAnInfiniBandFabricAreReadAndWritten) {
  const std::string fabric = "tests/data/ibnetdiscover_4hosts.txt --machine server=hgx-h100:gpus=4";
  const auto conf = p2plab("topo show " + fabric + " --slurm").out;
  EXPECT_NE(conf.find("SwitchName=MF0_ib-leaf01_MQM9700_U1 Nodes=node01,node02\n"), std::string::npos) << conf;
  EXPECT_NE(conf.find("SwitchName=MF0_ib-spine01_MQM9700_U1 Switches=MF0_ib-leaf01_MQM9700_U1,MF0_ib-leaf02_MQM9700_U1\n"), std::string::npos)
      << conf;
  const auto placed = p2plab("place --topology " + fabric + " --gpus 8");
  EXPECT_NE(placed.out.find("  node01: ranks 0-3, CUDA_VISIBLE_DEVICES=0,1,2,3\n  node02: ranks 4-7"), std::string::npos) << placed.out << placed.err;
  const auto machine = test::scratch("fabric.yaml");
  ASSERT_EQ(p2plab("topo import --out '" + machine.string() + "' " + fabric).exit, 0);
  EXPECT_EQ(json_of("bound --topology '" + machine.string() + "' --json")["algbw_gbps"],
            json_of("bound --topology " + fabric + " --json")["algbw_gbps"]);
  EXPECT_NE(p2plab("bound --topology tests/data/ibnetdiscover_4hosts.txt").err.find("--machine server=hgx-h100"), std::string::npos);
}

// One server is left of two: no islands.
TEST(Servers, OfWhichOneIsLostAreRepairedByAnyPlanner) {
  const auto old = test::scratch("two_servers.json");
  json_of("plan --topology hgx-h200:nodes=2,gpus=2 --size 1MiB --algorithm hierarchical --json --out " + old.string());
  const auto ran = p2plab("plan --topology hgx-h200:gpus=2 --repair " + old.string());
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_NE(ran.err.find("note: hierarchical does not do all_reduce"), std::string::npos) << ran.err;
  EXPECT_NE(ran.err.find("; so all planners are weighed"), std::string::npos) << ran.err;
}

}  // namespace
}  // namespace p2plab::servers_test
