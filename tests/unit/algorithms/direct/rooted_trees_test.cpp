// SPDX-License-Identifier: Apache-2.0
// Broadcast and reduce over servers: every NIC passes each byte once, whoever the root is.
#include <gtest/gtest.h>

#include <set>

#include "islands/spread_trees.h"
#include "p2plab/machine/mask.h"
#include "p2plab/machine/presets.h"
#include "p2plab/schedule/analysis.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::rooted_trees_test {
namespace {

using test::plan_on;

const Parameters by_trees{{"across", "tree"}};

TEST(SpreadTrees, HoldEveryPlaceOnceAndLetItPassOnInOneTreeOnly) {
  for (std::size_t places = 1; places <= 40; ++places) {
    for (std::size_t trees = 1; trees <= places; ++trees) {
      const SpreadTrees spread(places, trees);
      ASSERT_EQ(spread.size(), trees);
      std::vector<std::int64_t> sent(places);
      std::vector<std::set<std::size_t>> passes_on_in(places);
      std::int64_t all = 0;
      for (std::size_t t = 0; t < trees; ++t) {
        const auto& order = spread.order(t);
        EXPECT_EQ(std::set<std::size_t>(order.begin(), order.end()).size(), places);
        ASSERT_EQ(order.size(), places);
        all += spread.weight(t);
        for (std::size_t at = 1; at < places; ++at) {
          ASSERT_LT(spread.above(t, at), at);
          sent[order[spread.above(t, at)]] += spread.weight(t);
          passes_on_in[order[spread.above(t, at)]].insert(t);
        }
      }
      for (std::size_t p = 0; p < places; ++p) {
        EXPECT_LE(passes_on_in[p].size(), 1U);
        EXPECT_LE(static_cast<double>(sent[p]), spread.load() * static_cast<double>(all) * (1 + 1e-12)) << places << " places, " << trees << " trees";
      }
    }
  }
}

TEST(SpreadTrees, AreTwoOrThreeHopsHighWhereTheyAreMany) {
  EXPECT_EQ(SpreadTrees(63, 63).height(), 2);
  EXPECT_EQ(SpreadTrees(63, 9).height(), 3);
  EXPECT_EQ(SpreadTrees(63, 1).height(), 63);
  EXPECT_DOUBLE_EQ(SpreadTrees(63, 9).load(), 1);
}

TEST(TreeCuts, AreOfManyTreesWhereBytesAreFewAndOfFewWhereManySlicesFollow) {
  TreeTask task{.places = 63, .shards = 8, .hop = Seconds{5e-6}, .rate = GBps(25), .size = 1_MiB};
  EXPECT_EQ(best_tree_cut(task).trees, 63U);
  task.size = 64_MiB;
  EXPECT_EQ(best_tree_cut(task).trees, 9U);
  task.places = 1;
  EXPECT_EQ(best_tree_cut(task).trees, 1U);
  EXPECT_EQ(best_tree_cut(task).copies, 8U);
}

struct Servers2d {
  int count;
  int size;
};
constexpr std::array machines{Servers2d{2, 3}, Servers2d{3, 2}, Servers2d{3, 4}, Servers2d{4, 4}, Servers2d{5, 3}, Servers2d{7, 2}};

double most_over(const Topology& topology, const LinkLoads& loads, LinkKind kind) {
  double most = 0;
  for (std::size_t l = 0; l < topology.links().size(); ++l) {
    if (topology.links()[l].kind == kind) most = std::max(most, loads.per_link[l]);
  }
  return most;
}

// Over the network no NIC carries more than its share, one way; and nobody sends or gets a byte twice over NVLink but who spreads or collects.
TEST(RootedTrees, LoadEveryNicWithItsShareAloneWhoeverTheRootIs) {
  for (const auto& [count, size] : machines) {
    const auto topology = test::servers(count, size);
    for (const auto kind : {CollectiveKind::broadcast, CollectiveKind::reduce}) {
      for (int root = 0; root < count * size; ++root) {
        const auto plan = plan_on(topology, "hierarchical", make_collective(kind, count * size, Rank{root}), by_trees, {});
        ASSERT_TRUE(plan) << describe(plan.error());
        const auto loads = link_loads(topology, plan->schedule);
        EXPECT_NEAR(most_over(topology, loads, LinkKind::network), 1.0 / size, 0.01 / size) << count << "x" << size << " root " << root;
        const auto node = topology.node_of(Rank{root});
        for (const auto& links : {topology.out_links(node), topology.in_links(node)}) {
          for (const auto link : links) EXPECT_LE(topology.link(link).kind == LinkKind::nvlink ? loads.per_link[link.index()] : 0, 1 + 1e-9);
        }
      }
    }
  }
}

TEST(RootedTrees, AreProvedForEveryRootOfServersThatAreNotAlike) {
  std::vector<Topology> all;
  const auto five = test::servers(5, 4);
  for (const auto& mask : {Mask{.links = {{.from = "gpu1", .to = "nic1"}}}, Mask{.links = {{.from = "nic1", .to = "net", .fraction = 0.5}}},
                           Mask{.gpus = {"gpu1"}}, Mask{.gpus = {"gpu5", "gpu6", "gpu7"}}})
    all.push_back(*apply_mask(five, mask));
  for (const auto& topology : all) {
    for (const auto kind : {CollectiveKind::broadcast, CollectiveKind::reduce}) {
      for (int root = 0; root < topology.ranks(); ++root) {
        const auto plan = plan_on(topology, "hierarchical", make_collective(kind, topology.ranks(), Rank{root}), by_trees, {});
        EXPECT_TRUE(plan) << "root " << root << ": " << describe(plan.error());
      }
    }
  }
}

// Groups leave some GPUs out, and the root may be alone in its server.
TEST(RootedTrees, AreProvedForGroups) {
  const auto topology = test::servers(4, 4);
  for (const auto kind : {CollectiveKind::broadcast, CollectiveKind::reduce}) {
    auto group = make_collective(kind, topology.ranks(), Rank{3});
    group.members = {Rank{3}, Rank{4}, Rank{5}, Rank{7}, Rank{8}, Rank{9}, Rank{10}, Rank{11}};
    const auto plan = plan_on(topology, "hierarchical", group, by_trees, {});
    EXPECT_TRUE(plan) << describe(plan.error());
    group.silent = {Rank{4}};
    const auto with_silent = plan_on(topology, "hierarchical", group, by_trees, {});
    EXPECT_TRUE(with_silent || with_silent.error().code == ErrorCode::invalid_input) << describe(with_silent.error());
  }
}

TEST(RootedTrees, AreNineOf64ServersForLargePayloads) {
  const auto topology = *make_preset("hgx-a100", {{"nodes", "64"}});
  PlanContext context;
  context.payload = {.elements = 16 << 20, .type = DataType::float32};
  const auto plan = plan_on(topology, "hierarchical", make_collective(CollectiveKind::broadcast, 512), by_trees, context);
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_EQ(plan->reason, "64 islands of up to 8 ranks: direct inside, 9 trees across for each shard, in one of which an island passes it on");
  EXPECT_EQ(rounds(plan->schedule), 5);
}

}  // namespace
}  // namespace p2plab::rooted_trees_test
