// SPDX-License-Identifier: Apache-2.0
// Whole shards go from island to island: three rounds, one of them across, and equal sums wherever they are added up.
#include <gtest/gtest.h>

#include "p2plab/machine/presets.h"
#include "p2plab/schedule/analysis.h"
#include "p2plab/schedule/order_of_sums.h"
#include "support/folding.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::island_exchange_test {
namespace {

using test::plan_on;

const Parameters whole_shards{{"across", "one_shot"}};

Result<Plan> exchanged(const Topology& machine, PlanContext context) {
  return plan_on(machine, "hierarchical", make_collective(CollectiveKind::all_reduce, machine.ranks()), whole_shards, std::move(context));
}

// Each NIC sends its rail's quarter of the payload to three other servers.
TEST(IslandExchange, CrossesIslandsInOneOfThreeRounds) {
  const auto machine = test::servers(4, 4);
  for (const std::size_t fold_from : {std::size_t{1000}, std::size_t{2}}) {
    const auto plan = exchanged(machine, {.fold_from = fold_from});
    ASSERT_TRUE(plan) << describe(plan.error());
    EXPECT_EQ(plan->schedule.folding().images(), fold_from == 2 ? 4 : 1);
    EXPECT_EQ(rounds(plan->schedule), 3);
    EXPECT_EQ(plan->schedule.chunks().size(), 4);
    const auto loads = link_loads(machine, plan->schedule);
    for (const auto id : machine.out_links(*machine.find_node("net"))) EXPECT_DOUBLE_EQ(loads.per_link[id.index()], 3.0 / 4);
  }
}

TEST(IslandExchange, MeansWhatItsListMeans) {
  const auto machine = *resolve_topology("hgx-a100:nodes=3,gpus=2");
  test::expect_as_listed(machine, exchanged(machine, {.fold_from = 2})->schedule);
}

// Every member of each island adds the islands' sums in the islands' order, so all have the same bits.
TEST(IslandExchange, AddsAShardInOneOrderEverywhere) {
  const auto machine = test::servers(3, 2);
  const auto plan = *exchanged(machine, {.fold_from = 2});
  const auto shard = order_of_sums(plan.schedule.base());
  ASSERT_TRUE(shard) << describe(shard.error());
  EXPECT_EQ(*shard, "(0+1)+(2+3)+(4+5)");
}

TEST(IslandExchange, IsInPlaceToo) { EXPECT_TRUE(exchanged(test::servers(3, 3), {.in_place = true})); }

TEST(IslandExchange, ServesUnevenIslandsSomeMembersAndSilentOnes) {
  const auto machine = test::servers(3, 3);
  Collective collective{.kind = CollectiveKind::all_reduce, .members = {Rank{8}, Rank{0}, Rank{1}, Rank{4}, Rank{5}, Rank{3}, Rank{7}}};
  EXPECT_TRUE(plan_on(machine, "hierarchical", collective, whole_shards));
  collective.silent = {Rank{4}, Rank{8}};
  EXPECT_TRUE(plan_on(machine, "hierarchical", collective, whole_shards));
}

TEST(IslandExchange, IsForAllReduceOverTwoLevels) {
  const auto machine = test::servers(2, 2);
  const auto gathered = plan_on(machine, "hierarchical", CollectiveKind::all_gather, whole_shards);
  ASSERT_FALSE(gathered);
  EXPECT_EQ(gathered.error().code, ErrorCode::unsupported);
  const auto rings = plan_on(machine, "hierarchical", CollectiveKind::all_reduce, {{"across", "one_shot"}, {"inside", "ring"}});
  ASSERT_FALSE(rings);
  EXPECT_EQ(rings.error().code, ErrorCode::invalid_input);
}

}  // namespace
}  // namespace p2plab::island_exchange_test
