// SPDX-License-Identifier: Apache-2.0
// Gather and scatter over servers: what the root gets or gives is on all NICs of its server.
#include <gtest/gtest.h>

#include "p2plab/machine/mask.h"
#include "p2plab/machine/presets.h"
#include "p2plab/schedule/analysis.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::rooted_blocks_test {
namespace {

using test::plan_on;

constexpr std::array kinds{CollectiveKind::gather, CollectiveKind::scatter};

double most_over_network(const Topology& topology, const LinkLoads& loads) {
  double most = 0;
  for (std::size_t l = 0; l < topology.links().size(); ++l) {
    if (topology.links()[l].kind == LinkKind::network) most = std::max(most, loads.per_link[l]);
  }
  return most;
}

// Of the blocks of c - 1 servers of g GPUs, each of the g NICs of the root's server carries one in g; a block is a step, and two where another GPU
// than the root has to pass it on.
TEST(RootedBlocks, AreSharedOutOverTheNicsOfTheRootsServer) {
  struct Machine {
    int count;
    int size;
  };
  for (const auto& [count, size] : {Machine{2, 3}, Machine{3, 2}, Machine{3, 4}, Machine{5, 3}, Machine{7, 2}}) {
    const auto topology = test::servers(count, size);
    const int members = count * size;
    for (const auto kind : kinds) {
      for (int root = 0; root < members; ++root) {
        const auto plan = plan_on(topology, "hierarchical", make_collective(kind, members, Rank{root}), {}, {});
        ASSERT_TRUE(plan) << describe(plan.error());
        EXPECT_NEAR(most_over_network(topology, link_loads(topology, plan->schedule)), (count - 1.0) / members, 1e-9) << "root " << root;
        EXPECT_EQ(rounds(plan->schedule), 2);
        EXPECT_EQ(plan->schedule.step_count(), static_cast<std::size_t>(members - 1 + (count - 1) * (size - 1) + 1)) << "and the root's own block";
      }
    }
  }
}

TEST(RootedBlocks, AreProvedForEveryRootOfServersThatAreNotAlikeAndForGroups) {
  const auto five = test::servers(5, 4);
  const auto rails = *make_preset("hgx-h100", {{"nodes", "5"}, {"gpus", "4"}, {"network", "rail"}});
  const LostLink lost{.from = "gpu1", .to = "nic1"};
  const LostLink same{.from = "gpu9", .to = "nic9"};
  const LostLink other{.from = "gpu10", .to = "nic10"};
  for (const auto& topology :
       {*apply_mask(five, {.links = {lost}}), *apply_mask(five, {.links = {{.from = "nic1", .to = "net", .fraction = 0.5}}}),
        *apply_mask(five, {.gpus = {"gpu1"}}), *apply_mask(five, {.gpus = {"gpu5", "gpu6", "gpu7"}}), *apply_mask(rails, {.links = {lost}}),
        *apply_mask(rails, {.links = {lost, same}}), *apply_mask(rails, {.links = {lost, other}}), *apply_mask(rails, {.gpus = {"gpu1"}})}) {
    for (const auto kind : kinds) {
      for (int root = 0; root < topology.ranks(); ++root) {
        const auto plan = plan_on(topology, "hierarchical", make_collective(kind, topology.ranks(), Rank{root}), {}, {});
        EXPECT_TRUE(plan) << to_string(kind) << " root " << root << ": " << (plan ? "" : describe(plan.error()));
      }
    }
  }
  for (const auto kind : kinds) {
    auto group = make_collective(kind, five.ranks(), Rank{3});
    group.members = {Rank{3}, Rank{4}, Rank{5}, Rank{7}, Rank{8}, Rank{9}, Rank{10}, Rank{11}};
    const auto plan = plan_on(five, "hierarchical", group, {}, {});
    EXPECT_TRUE(plan) << describe(plan.error());
  }
}

TEST(RootedBlocks, AreNeitherAddedUpNorPassedAround) {
  const auto topology = test::servers(3, 3);
  for (const auto* across : {"ring", "tree"}) {
    const auto plan = plan_on(topology, "hierarchical", CollectiveKind::gather, {{"across", across}});
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().code, ErrorCode::unsupported);
  }
}

}  // namespace
}  // namespace p2plab::rooted_blocks_test
