// SPDX-License-Identifier: Apache-2.0
// Servers that have lost a NIC, a GPU or part of a link still take part in plans between servers: others carry their shards.
#include <gtest/gtest.h>

#include "islands/ways_out.h"
#include "p2plab/machine/mask.h"
#include "p2plab/schedule/analysis.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::ways_out_test {
namespace {

using test::plan_on;

constexpr int servers = 5;
constexpr int gpus = 4;

Topology masked(const Mask& mask) { return *apply_mask(test::servers(servers, gpus), mask); }
Topology without_nic() { return masked({.links = {{.from = "gpu1", .to = "nic1"}}}); }
Topology with_half_a_nic() { return masked({.links = {{.from = "nic1", .to = "net", .fraction = 0.5}}}); }
Topology without_gpu() { return masked({.gpus = {"gpu1"}}); }

std::vector<std::vector<Rank>> islands_of(const Topology& topology) {
  std::vector<std::vector<Rank>> islands(servers);
  const int missing = servers * gpus - topology.ranks();
  for (int r = 0; r < topology.ranks(); ++r) islands[static_cast<std::size_t>((r + missing) / gpus)].emplace_back(r);
  if (missing == 1) islands[0] = {Rank{0}, Rank{1}, Rank{2}};
  return islands;
}

std::vector<int> carried(const WaysOut& ways, std::size_t island, std::size_t members) {
  std::vector<int> shards(members);
  for (const auto place : ways.in_charge[island]) ++shards[place];
  return shards;
}

TEST(WaysOut, AreAlikeOnAWholeMachine) {
  const auto topology = test::servers(servers, gpus);
  EXPECT_FALSE(find_ways_out(topology, islands_of(topology)).uneven());
}

TEST(WaysOut, OfAServerThatLostANicAreTheOtherNicsInEqualShares) {
  const auto topology = without_nic();
  const auto ways = find_ways_out(topology, islands_of(topology));
  ASSERT_TRUE(ways.uneven());
  // 20 shards (4 in 5 turns) over 3 NICs.
  EXPECT_EQ(carried(ways, 0, gpus), (std::vector{6, 0, 7, 7}));
  for (std::size_t island = 1; island < servers; ++island) EXPECT_TRUE(ways.in_charge[island].empty());
  EXPECT_EQ(ways.reducers, (std::vector<std::size_t>{1, 2, 3, 4}));
}

TEST(WaysOut, OfADegradedLinkTakeHalfAsMuch) {
  const auto topology = with_half_a_nic();
  const auto ways = find_ways_out(topology, islands_of(topology));
  ASSERT_TRUE(ways.uneven());
  // 20 shards over 3.5 NICs: 5.7 each, and 2.9.
  EXPECT_EQ(carried(ways, 0, gpus), (std::vector{5, 3, 6, 6}));
  EXPECT_EQ(ways.reducers, (std::vector<std::size_t>{1, 2, 3, 4}));
}

TEST(WaysOut, OfAServerWithAGpuLessAreTheOthers) {
  const auto topology = without_gpu();
  const auto ways = find_ways_out(topology, islands_of(topology));
  ASSERT_TRUE(ways.uneven());
  EXPECT_EQ(carried(ways, 0, gpus - 1), (std::vector{7, 7, 6}));
}

// Two servers: nobody knows which one is as it should be.
TEST(WaysOut, OfTwoServersStayAsTheyAre) {
  const auto topology = without_nic();
  auto islands = islands_of(topology);
  islands.resize(2);
  EXPECT_FALSE(find_ways_out(topology, islands).uneven());
}

double most_out_of(const Topology& topology, const Schedule& schedule, std::string_view node) {
  const auto loads = link_loads(topology, schedule);
  double most = 0;
  for (const auto link : topology.in_links(*topology.find_node(node))) most = std::max(most, loads.per_link[link.index()]);
  return most;
}

// Four of five servers reduce: they send and get (1 + 3/4) shards of a quarter payload each; the broken one a payload over three NICs.
TEST(UnevenServers, AllReduceLosesNoMoreThanTheBrokenServersShare) {
  const auto topology = without_nic();
  const auto plan = plan_on(topology, "hierarchical", make_collective(CollectiveKind::all_reduce, topology.ranks()), {{"inside", "read"}}, {});
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_DOUBLE_EQ(most_out_of(topology, plan->schedule, "net"), 1.75 / 4);
}

// plan_on proves every plan.
TEST(UnevenServers, EveryCollectiveIsPlannedAndProved) {
  using enum CollectiveKind;
  for (const auto& topology : {without_nic(), with_half_a_nic(), without_gpu()}) {
    for (const auto kind : {all_reduce, all_gather, reduce_scatter, all_to_all, broadcast, reduce}) {
      for (const auto* across : {"direct", "ring", "tree"}) {
        if (kind == all_to_all && std::string_view(across) != "direct") continue;
        const Parameters parameters = kind == all_to_all ? Parameters{} : Parameters{{"across", across}};
        const auto plan = plan_on(topology, "hierarchical", make_collective(kind, topology.ranks()), parameters, {});
        EXPECT_TRUE(plan) << to_string(kind) << " " << across << ": " << (plan ? "" : describe(plan.error()));
      }
    }
  }
}

// Its GPU beside the rest of its server would be two islands, and a third level for this server alone.
TEST(UnevenServers, ADegradedNvlinkMakesNoIslands) {
  const auto topology = masked({.links = {{.from = "gpu1", .to = "sw0", .fraction = 0.25}}});
  const auto plan = plan_on(topology, "hierarchical", make_collective(CollectiveKind::all_reduce, topology.ranks()), {{"inside", "read"}}, {});
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_EQ(plan->reason, "5 islands of up to 4 ranks, 2 levels: read inside, direct across on parallel rails");
}

}  // namespace
}  // namespace p2plab::ways_out_test
