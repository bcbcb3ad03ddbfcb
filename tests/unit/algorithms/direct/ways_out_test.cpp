// SPDX-License-Identifier: Apache-2.0
// Servers that have lost a NIC, a GPU or part of a link still take part in plans between servers: others carry their shards.
#include <gtest/gtest.h>

#include "islands/ways_out.h"
#include "p2plab/machine/mask.h"
#include "p2plab/machine/presets.h"
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

// One switch for the NICs of each rail, so that no way leads from a GPU to those of other servers placed otherwise.
Topology on_rails(const Mask& mask) { return *apply_mask(*make_preset("hgx-h100", {{"nodes", "5"}, {"gpus", "4"}, {"network", "rail"}}), mask); }

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

TEST(WaysOut, OnRailsAreThoseOfTheOtherRails) {
  const auto topology = on_rails({.links = {{.from = "gpu1", .to = "nic1"}}});
  const auto islands = islands_of(topology);
  const auto ways = find_ways_out(topology, islands);
  ASSERT_TRUE(ways.uneven());
  EXPECT_EQ(carried(ways, 0, gpus), (std::vector{6, 0, 7, 7}));
  EXPECT_EQ(ways.reducers, (std::vector<std::size_t>{1, 2, 3, 4}));
  EXPECT_EQ(passes_through(topology, islands[2], islands[2][1], islands[0][3]), islands[2][3]);
  EXPECT_EQ(passes_through(topology, islands[2], islands[2][3], islands[0][3]), islands[2][3]);
  EXPECT_EQ(passes_through(topology, islands[2], islands[2][0], islands[0][1]), std::nullopt);
}

// GPU 2 and 3 stay on their rails, though they are at places 1 and 2 now; who has none is carried by all.
TEST(WaysOut, OnRailsAreTheirOwnOfAServerWithAGpuLess) {
  const auto topology = on_rails({.gpus = {"gpu1"}});
  const auto ways = find_ways_out(topology, islands_of(topology));
  ASSERT_TRUE(ways.uneven());
  EXPECT_EQ(carried(ways, 0, gpus - 1), (std::vector{6, 7, 7}));
  for (std::size_t turn = 0; turn < servers; ++turn) {
    EXPECT_EQ(ways.in_charge[0][2 * servers + turn], 1);
    EXPECT_EQ(ways.in_charge[0][3 * servers + turn], 2);
  }
}

// Two servers: nobody knows which one is as it should be.
TEST(WaysOut, OfTwoServersStayAsTheyAre) {
  const auto topology = without_nic();
  auto islands = islands_of(topology);
  islands.resize(2);
  EXPECT_FALSE(find_ways_out(topology, islands).uneven());
}

// The most that a link between a NIC and a switch carries, of a network of one or several switches.
double busiest(const Topology& topology, const Schedule& schedule, NodeId Link::*switch_end) {
  const auto loads = link_loads(topology, schedule);
  double most = 0;
  for (std::size_t l = 0; l < topology.links().size(); ++l) {
    if (topology.node(topology.links()[l].*switch_end).kind == NodeKind::network_switch) most = std::max(most, loads.per_link[l]);
  }
  return most;
}
double most_out_of_servers(const Topology& topology, const Schedule& schedule) { return busiest(topology, schedule, &Link::to); }
double most_into_servers(const Topology& topology, const Schedule& schedule) { return busiest(topology, schedule, &Link::from); }

// Four of five servers reduce: they send and get (1 + 3/4) shards of a quarter payload each; the broken one a payload over three NICs.
TEST(UnevenServers, AllReduceLosesNoMoreThanTheBrokenServersShare) {
  const auto topology = without_nic();
  const auto plan = plan_on(topology, "hierarchical", make_collective(CollectiveKind::all_reduce, topology.ranks()), {{"inside", "read"}}, {});
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_DOUBLE_EQ(most_out_of_servers(topology, plan->schedule), 1.75 / 4);
}

// The same; and the shard of the lost rail, a sixteenth of the payload from each reducer, leaves over the rail that the broken server gets it from.
TEST(UnevenServers, AllReduceOnRailsLosesOneShardMore) {
  const auto topology = on_rails({.links = {{.from = "gpu1", .to = "nic1"}}});
  const auto plan = plan_on(topology, "hierarchical", make_collective(CollectiveKind::all_reduce, topology.ranks()), {{"inside", "read"}}, {});
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_DOUBLE_EQ(most_out_of_servers(topology, plan->schedule), 1.75 / 4 + 1.0 / 16);
}

// Of 16 blocks that come in over 4 NICs, or 3: one has 6 of them.
TEST(UnevenServers, AllGatherOnRailsComesInOverTheOtherRails) {
  const auto kind = CollectiveKind::all_gather;
  for (const auto& [mask, blocks] : {std::pair{Mask{}, 4.0}, std::pair{Mask{.links = {{.from = "gpu1", .to = "nic1"}}}, 6.0}}) {
    const auto topology = on_rails(mask);
    const auto plan = plan_on(topology, "hierarchical", make_collective(kind, topology.ranks()), {{"across", "direct"}}, {});
    ASSERT_TRUE(plan) << describe(plan.error());
    EXPECT_DOUBLE_EQ(most_into_servers(topology, plan->schedule), blocks / 20);
  }
}

// They arrive at the same time, each over as long as all: a lane for all would wait for the first one's end.
TEST(UnevenServers, HandOutBlocksOfEachServerOnAChannelOfTheirOwn) {
  const auto topology = without_nic();
  const auto plan = plan_on(topology, "hierarchical", make_collective(CollectiveKind::all_gather, topology.ranks()), {{"across", "direct"}}, {});
  ASSERT_TRUE(plan) << describe(plan.error());
  for (const auto& chunk : plan->schedule.chunks()) EXPECT_EQ(chunk.channel, chunk.block / gpus);
}

// 16 of 20 blocks leave each server over 4 NICs, or 3, of which one then has 6.
TEST(UnevenServers, ReduceScatterReadsInsideAndSendsSumsOn) {
  const auto kind = CollectiveKind::reduce_scatter;
  for (const auto& [topology, blocks] : {std::pair{test::servers(servers, gpus), 4.0}, std::pair{without_nic(), 6.0}}) {
    const auto plan = plan_on(topology, "hierarchical", make_collective(kind, topology.ranks()), {{"inside", "read"}}, {});
    ASSERT_TRUE(plan) << describe(plan.error());
    EXPECT_DOUBLE_EQ(most_out_of_servers(topology, plan->schedule), blocks / 20);
  }
}

// plan_on proves every plan.
TEST(UnevenServers, EveryCollectiveIsPlannedAndProved) {
  using enum CollectiveKind;
  const LostLink own{.from = "gpu1", .to = "nic1"};
  const LostLink others{.from = "gpu10", .to = "nic10"};
  const LostLink same{.from = "gpu9", .to = "nic9"};
  for (const auto& topology : {without_nic(), with_half_a_nic(), without_gpu(), on_rails({.links = {own}}), on_rails({.links = {own, others}}),
                               on_rails({.links = {own, same}}), on_rails({.gpus = {"gpu1", "gpu9"}}),
                               on_rails({.links = {{.from = "nic1", .to = "net1", .fraction = 0.5}}}), on_rails({.gpus = {"gpu1"}})}) {
    for (const auto kind : {all_reduce, all_gather, reduce_scatter, all_to_all, broadcast, reduce}) {
      for (const auto* across : {"direct", "ring", "tree"}) {
        if (kind == all_to_all && std::string_view(across) != "direct") continue;
        const Parameters parameters = kind == all_to_all ? Parameters{} : Parameters{{"across", across}};
        const auto plan = plan_on(topology, "hierarchical", make_collective(kind, topology.ranks()), parameters, {});
        EXPECT_TRUE(plan) << to_string(kind) << " " << across << ": " << (plan ? "" : describe(plan.error()));
      }
      if (kind != all_reduce && kind != reduce_scatter) continue;
      const auto reads = plan_on(topology, "hierarchical", make_collective(kind, topology.ranks()), {{"inside", "read"}}, {});
      EXPECT_TRUE(reads) << to_string(kind) << ": " << (reads ? "" : describe(reads.error()));
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
