// SPDX-License-Identifier: Apache-2.0
#include "p2plab/machine/islands.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "support/random_topology.h"
#include "support/reference.h"

namespace p2plab::islands_test {
namespace {

using test::machine;
using Islands = std::vector<std::vector<int>>;

Islands plain(const IslandLevel& level) {
  Islands all;
  for (const auto& island : level.islands) {
    all.emplace_back();
    for (const auto rank : island) all.back().push_back(rank.value);
  }
  return all;
}

std::vector<IslandLevel> levels(const Topology& topology) { return find_islands(topology); }
std::vector<IslandLevel> levels(const std::string& text) { return levels(machine(text)); }

TEST(Islands, NvlinkPairsOverPcieArePairs) {
  const auto found = levels("nvlink-pairs");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(plain(found[0]), (Islands{{0, 1}, {2, 3}}));
  EXPECT_EQ(found[0].inside, GBps(56.25));
  EXPECT_EQ(found[0].across, GBps(24));
}

TEST(Islands, PairsOnTwoSocketsAreIslandsInIslands) {
  const auto found = levels("nvlink-pairs:gpus=8,sockets=2,upi=10");
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(plain(found[0]), (Islands{{0, 1}, {2, 3}, {4, 5}, {6, 7}}));
  EXPECT_EQ(plain(found[1]), (Islands{{0, 1, 2, 3}, {4, 5, 6, 7}}));
}

TEST(Islands, QuadsAreQuads) {
  const auto found = levels("nvlink-quads");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(plain(found[0]), (Islands{{0, 1, 2, 3}, {4, 5, 6, 7}}));
}

TEST(Islands, AnOddGpuIsAnIslandOfOne) { EXPECT_EQ(plain(levels("nvlink-pairs:gpus=5").at(0)), (Islands{{0, 1}, {2, 3}, {4}})); }

TEST(Islands, ADgx1HasNoneBecauseItsWideLinksFormACircle) {
  EXPECT_TRUE(levels("dgx-v100").empty());
  EXPECT_TRUE(levels("dgx-v100:pcie=on").empty());
  EXPECT_TRUE(levels("dgx-p100").empty());
}

TEST(Islands, UniformMachinesHaveNone) {
  for (const std::string text : {"hgx-h200", "hgx-h200:gpus=1", "hgx-h200:gpus=2", "nvl72", "dgx-2", "torus", "torus:dims=4x4x4", "mesh", "ring",
                                 "hypercube", "full-mesh", "star", "mi300x", "hgx-h100:pcie=on", "fat-tree:spines=4"}) {
    EXPECT_TRUE(levels(text).empty()) << text;
  }
}

TEST(Islands, TwoBoxesAreTwoIslandsOfEight) {
  for (const std::string text : {"hgx-h200:nodes=2", "hgx-h200:nodes=2,network=rail", "hgx-h200:nodes=2,pcie=on"}) {
    const auto found = levels(text);
    ASSERT_EQ(found.size(), 1U) << text;
    EXPECT_EQ(plain(found[0]), (Islands{{0, 1, 2, 3, 4, 5, 6, 7}, {8, 9, 10, 11, 12, 13, 14, 15}})) << text;
  }
}

TEST(Islands, BoxesOfThreeAreIslandsOfThree) {
  EXPECT_EQ(plain(levels("hgx-h200:gpus=3,nodes=3").at(0)), (Islands{{0, 1, 2}, {3, 4, 5}, {6, 7, 8}}));
}

TEST(Islands, Mi250xHasPackagesAndGroupsOfFour) {
  const auto found = levels("mi250x");
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(plain(found[0]), (Islands{{0, 1}, {2, 3}, {4, 5}, {6, 7}, {8, 9}, {10, 11}, {12, 13}, {14, 15}}));
  EXPECT_EQ(plain(found[1]), (Islands{{0, 1, 4, 5}, {2, 3, 6, 7}, {8, 9, 12, 13}, {10, 11, 14, 15}}));
}

TEST(Islands, APcieBoxHasSwitchesThenSockets) {
  const auto found = levels("pcie-server:gen=3,upi=18");
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(plain(found[0]), (Islands{{0, 1}, {2, 3}, {4, 5}, {6, 7}}));
  EXPECT_EQ(plain(found[1]), (Islands{{0, 1, 2, 3}, {4, 5, 6, 7}}));
}

TEST(Islands, GpusOnOneRootHaveNone) { EXPECT_TRUE(levels("pcie-server:gpus=4,switches=0,sockets=1").empty()); }

TEST(Islands, AnOversubscribedFatTreeHasItsLeaves) {
  const auto found = levels("fat-tree");  // 4 x 50 GB/s down, 2 x 50 GB/s up
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(plain(found[0]), (Islands{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9, 10, 11}, {12, 13, 14, 15}}));
}

TEST(Islands, UnevenIslandsAreFound) {
  const auto folder = test::reference_folder();
  if (!folder) GTEST_SKIP() << "no reference graphs beside the project; set P2PLAB_REFERENCE to their folder";
  const auto uneven = test::reference_graph(*folder, "uneven_8_4_2");
  ASSERT_TRUE(uneven);
  const auto found = levels(*uneven);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(plain(found[0]), (Islands{{0, 1, 2, 3, 4, 5, 6, 7}, {8, 9, 10, 11}, {12, 13}}));
}

void expect_nested(const Topology& topology, const std::string& name) {
  const auto found = levels(topology);
  for (std::size_t i = 0; i < found.size(); ++i) {
    std::vector<Rank> all;
    for (const auto& island : found[i].islands) all.insert(all.end(), island.begin(), island.end());
    std::ranges::sort(all);
    EXPECT_EQ(static_cast<int>(all.size()), topology.ranks()) << name;
    EXPECT_EQ(std::ranges::adjacent_find(all), all.end()) << name;
    EXPECT_GT(found[i].islands.size(), 1U) << name;
    EXPECT_LT(static_cast<int>(found[i].islands.size()), topology.ranks()) << name;
    if (i + 1 == found.size()) continue;
    EXPECT_GT(found[i].islands.size(), found[i + 1].islands.size()) << name;
    for (const auto& part : found[i].islands) {
      EXPECT_TRUE(std::ranges::any_of(found[i + 1].islands, [&](const auto& whole) { return std::ranges::includes(whole, part); })) << name;
    }
  }
}

TEST(Islands, LevelsHoldEveryRankOnceAndFinerOnesLieWithinCoarserOnes) {
  for (const auto& preset : builtin_presets()) expect_nested(machine(preset.name), preset.name);
  for (std::uint64_t seed = 1; seed <= 500; ++seed) expect_nested(test::RandomTopology{seed}.make(), "seed " + std::to_string(seed));
}

TEST(Islands, ARouteIsOfTheClassOfItsFurthestPart) {
  const auto server = machine("pcie-server");
  EXPECT_EQ(route_class(server, Rank{0}, Rank{1}), RouteClass::pcie_switch);
  EXPECT_EQ(route_class(server, Rank{0}, Rank{2}), RouteClass::host);
  EXPECT_EQ(route_class(server, Rank{0}, Rank{7}), RouteClass::between_hosts);
  const auto cluster = machine("hgx-h200:nodes=2,network=rail");
  EXPECT_EQ(route_class(cluster, Rank{0}, Rank{1}), RouteClass::fabric);
  EXPECT_EQ(route_class(cluster, Rank{0}, Rank{8}), RouteClass::network);
  EXPECT_EQ(route_class(cluster, Rank{0}, Rank{9}), RouteClass::none);
}

}  // namespace
}  // namespace p2plab::islands_test
