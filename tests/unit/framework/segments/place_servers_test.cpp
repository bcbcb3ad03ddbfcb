// SPDX-License-Identifier: Apache-2.0
// Choice of GPUs over servers, where there are too many sets to try each.
#include "p2plab/segments/place_servers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "p2plab/machine/mask.h"
#include "p2plab/machine/presets.h"
#include "p2plab/segments/servers.h"

namespace p2plab::place_servers_test {
namespace {

// How many GPUs of each server, in order of the servers.
std::vector<int> shares(const Topology& machine, const Placement& placement) {
  const auto servers = servers_of(machine);
  std::vector<int> all(static_cast<std::size_t>(servers.count()));
  for (const auto rank : placement.gpus) ++all[static_cast<std::size_t>(servers.of[rank.index()])];
  return all;
}

std::vector<Placement> placed(const Topology& machine, int count) {
  auto placements = place_on_servers(machine, count);
  EXPECT_TRUE(placements) << (placements ? "" : placements.error().message);
  return placements ? *std::move(placements) : std::vector<Placement>{};
}

TEST(PlaceOnServers, TakesWholeServersBelowOneLeaf) {
  const auto machine = *resolve_topology("hgx-h100:nodes=6,network=tree,leaf=2,taper=4");
  const auto best = placed(machine, 16).front();
  const auto of = shares(machine, best);
  EXPECT_TRUE(of == (std::vector<int>{8, 8, 0, 0, 0, 0}) || of == (std::vector<int>{0, 0, 8, 8, 0, 0}) || of == (std::vector<int>{0, 0, 0, 0, 8, 8}));
  EXPECT_NEAR(best.busbw_gbps, 500, 1);  // as without other servers
  // Ranks go through one server after the other.
  const auto servers = servers_of(machine);
  int changes = 0;
  for (std::size_t r = 1; r < best.gpus.size(); ++r) changes += servers.together(best.gpus[r - 1], best.gpus[r]) ? 0 : 1;
  EXPECT_EQ(changes, 1);
}

TEST(PlaceOnServers, LeavesAServerThatHasLostANic) {
  // Behind PCIe switches as well, where GPUs reach another NIC instead.
  for (const auto* servers : {"hgx-h100:nodes=3", "hgx-h100:nodes=3,pcie=on"}) {
    const auto machine = *apply_mask(*resolve_topology(servers), {.links = {{"nic9", "net0"}}});
    EXPECT_EQ(shares(machine, placed(machine, 16).front()), (std::vector<int>{8, 0, 8})) << servers;
  }
}

TEST(PlaceOnServers, TakesGpusWithNicsOfTheirOwn) {
  const auto machine = *resolve_topology("hgx-h100:nodes=8,nics=4");
  const auto placements = placed(machine, 32);
  // Eight servers have as many NICs for four GPUs each: every second GPU has one.
  const auto spread = std::ranges::find_if(placements, [&](const Placement& one) { return shares(machine, one) == std::vector<int>(8, 4); });
  ASSERT_NE(spread, placements.end());
  std::set<int> first;
  for (const auto rank : spread->gpus) {
    if (rank.value < 8) first.insert(rank.value);
  }
  EXPECT_EQ(first, (std::set<int>{0, 2, 4, 6}));
}

TEST(PlaceOnServers, FillsTheLastServerInPartWhereItMust) {
  const auto machine = *resolve_topology("hgx-h100:nodes=4");
  const auto placements = placed(machine, 12);
  const auto full = std::ranges::find_if(placements, [&](const Placement& one) {
    auto of = shares(machine, one);
    std::ranges::sort(of);
    return of == std::vector<int>{0, 0, 6, 6};
  });
  EXPECT_NE(full, placements.end());
  const auto eleven = placed(machine, 11);
  auto of = shares(machine, eleven.front());
  std::ranges::sort(of);
  EXPECT_EQ(of, (std::vector<int>{0, 0, 3, 8}));
}

// Two servers are one pair, whichever of them is looked at first; three have three.
TEST(PlaceOnServers, ASetIsThereOnce) {
  for (const auto& lost : {std::vector<LostLink>{}, {{"nic0", "net0"}}}) {
    const auto machine = *apply_mask(*resolve_topology("hgx-h100:nodes=2"), {.links = lost});
    const auto placements = placed(machine, 10);
    std::set<std::vector<Rank>> sets;
    for (const auto& one : placements) EXPECT_TRUE(sets.insert(one.gpus).second);
    EXPECT_EQ(placements.front().alike, 1);
  }
  EXPECT_LE(placed(*resolve_topology("hgx-h100:nodes=3"), 16).front().alike, 3);
}

// All of one server and three of the other: not the same set the other way round, and better where the whole server is the one that gives all.
TEST(PlaceOnServers, UnevenSharesAreWeighedEitherWay) {
  const auto machine = *apply_mask(*resolve_topology("hgx-h100:nodes=2"), {.links = {{"nic0", "net0"}}});
  const auto placements = placed(machine, 11);
  const auto of_second = [](const Placement& one) { return std::ranges::count_if(one.gpus, [](Rank rank) { return rank.value >= 8; }); };
  EXPECT_TRUE(std::ranges::any_of(placements, [&](const Placement& one) { return of_second(one) == 8; }));
  EXPECT_TRUE(std::ranges::any_of(placements, [&](const Placement& one) { return of_second(one) == 3; }));
}

TEST(PlaceOnServers, RefusesOneServerAndWhatIsNotThere) {
  EXPECT_FALSE(place_on_servers(*resolve_topology("hgx-h100"), 4));
  EXPECT_FALSE(place_on_servers(*resolve_topology("hgx-h100:nodes=2"), 17));
  EXPECT_FALSE(place_on_servers(*resolve_topology("hgx-h100:nodes=2"), 4, CollectiveKind::broadcast));
  EXPECT_TRUE(can_place(16, 8));
  EXPECT_FALSE(can_place(64, 16));
}

}  // namespace
}  // namespace p2plab::place_servers_test
