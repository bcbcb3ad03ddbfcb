// SPDX-License-Identifier: Apache-2.0
// Forests that list one tree for all that are alike.
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "forest/repair/trees_of_plan.h"
#include "p2plab/machine/presets.h"
#include "support/folding.h"
#include "support/plans.h"

namespace p2plab::forest_folding_test {
namespace {

constexpr std::array folded_kinds{CollectiveKind::all_gather, CollectiveKind::reduce_scatter, CollectiveKind::all_reduce};

Result<Plan> planned(const Topology& machine, const Collective& collective, std::size_t fold_from) {
  PlanContext context;
  context.fold_from = fold_from;
  return test::plan_on(machine, "forest", collective, {}, context);
}
Result<Plan> folded(const Topology& machine, CollectiveKind kind) { return planned(machine, make_collective(kind, machine.ranks()), 2); }
Result<Plan> listed(const Topology& machine, CollectiveKind kind) {
  return planned(machine, make_collective(kind, machine.ranks()), std::numeric_limits<std::size_t>::max());
}

// A ring both ways with a wide and a narrow link each way: trees must name which they take.
Topology uneven_ring(int n) {
  Topology::Builder builder("uneven-ring");
  for (int i = 0; i < n; ++i) builder.add_node({.name = "gpu" + std::to_string(i)});
  for (const int rate : {25, 10}) {
    for (int i = 0; i < n; ++i) builder.add_duplex(NodeId{i}, NodeId{(i + 1) % n}, LinkKind::nvlink, GBps(rate), Seconds{1e-6});
  }
  return *std::move(builder).build();
}

std::vector<Topology> machines() {
  std::vector<Topology> all;
  for (const auto* name : {"ring:gpus=2", "ring:gpus=3", "hgx-h200:gpus=5", "hgx-h200", "torus:dims=4x4", "dgx-a100:nodes=2", "dgx-v100"})
    all.push_back(*resolve_topology(name));
  all.push_back(uneven_ring(6));
  return all;
}

TEST(FoldedForest, IsThePlanThatItWouldListStepByStep) {
  int named = 0;
  for (const auto& machine : machines()) {
    for (const auto kind : folded_kinds) {
      SCOPED_TRACE(machine.name() + " " + std::string{to_string(kind)});
      const auto plan = folded(machine, kind);
      ASSERT_TRUE(plan) << describe(plan.error());
      ASSERT_TRUE(plan->schedule.folding().folded() || machine.name() == "dgx-v100");
      if (!plan->schedule.folding().folded()) continue;
      if (plan->schedule.route_count() > 0) ++named;
      test::expect_as_listed(machine, plan->schedule, {1021});
      const auto list = listed(machine, kind);
      ASSERT_TRUE(list);
      EXPECT_FALSE(list->schedule.folding().folded());
      EXPECT_EQ(plan->schedule.step_count(), list->schedule.step_count());
      EXPECT_EQ(rounds(plan->schedule), rounds(list->schedule));
      EXPECT_EQ(plan->reason, list->reason);
      EXPECT_DOUBLE_EQ(bottleneck(machine, link_loads(machine, plan->schedule)).seconds_per_byte,
                       bottleneck(machine, link_loads(machine, list->schedule)).seconds_per_byte);
    }
  }
  EXPECT_EQ(named, 3);
}

// Where servers join 33 GPUs and more, trees between and inside them are put together, and turn with the servers.
TEST(FoldedForest, BoxesFold) {
  for (const auto* name : {"dgx-a100:nodes=5", "hgx-h200:nodes=5"}) {
    const auto machine = *resolve_topology(name);
    const auto plan = folded(machine, CollectiveKind::reduce_scatter);
    ASSERT_TRUE(plan) << describe(plan.error());
    EXPECT_EQ(plan->schedule.folding().images(), 5) << name;
    EXPECT_EQ(plan->schedule.step_count(), listed(machine, CollectiveKind::reduce_scatter)->schedule.step_count());
  }
}

TEST(FoldedForest, LargePlansAreFoldedUnasked) {
  const auto machine = *resolve_topology("torus:dims=16x16");
  const auto plan = test::plan_on(machine, "forest", CollectiveKind::all_gather);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->schedule.folding().images(), 256);
  EXPECT_EQ(plan->schedule.step_count(), 256 * plan->schedule.base_step_count());
  EXPECT_LT(plan->schedule.memory(), std::size_t{1} << 21);
}

// Silent members, groups and uneven shares break the symmetry of the contract.
TEST(FoldedForest, IsNotFoldedWhereMembersAreNotAlike) {
  const auto machine = *resolve_topology("hgx-h200:gpus=4");
  auto collective = make_collective(CollectiveKind::all_reduce, 4);
  collective.silent = {Rank{1}};
  EXPECT_FALSE(planned(machine, collective, 2)->schedule.folding().folded());
  collective = make_collective(CollectiveKind::all_gather, 4);
  collective.shares = {1, 2, 1, 1};
  EXPECT_FALSE(planned(machine, collective, 2)->schedule.folding().folded());
  collective = make_collective(CollectiveKind::all_gather, 4);
  collective.members.pop_back();
  EXPECT_FALSE(planned(machine, collective, 2)->schedule.folding().folded());
}

std::vector<std::vector<LinkId>> links_of(const TreeList& list) {
  std::vector<std::vector<LinkId>> all;
  for (const auto& tree : list.trees) {
    auto& links = all.emplace_back(1, LinkId{tree.root});
    for (const auto& edge : tree.edges) links.insert(links.end(), list.paths[edge.path].begin(), list.paths[edge.path].end());
  }
  return all;
}

TEST(FoldedForest, RepairReadsTheSameTreesOffIt) {
  for (const auto& machine : {*resolve_topology("torus:dims=4x4"), uneven_ring(5)}) {
    for (const auto kind : folded_kinds) {
      const auto plan = *folded(machine, kind);
      const auto list = *test::ScheduleEdit(plan.schedule).rebuilt();
      const auto from_folded = trees_of_plan(machine, {machine, plan.schedule});
      const auto from_list = trees_of_plan(machine, {machine, list});
      EXPECT_EQ(links_of(from_folded.in), links_of(from_list.in));
      EXPECT_EQ(links_of(from_folded.out), links_of(from_list.out));
    }
  }
}

// Every rank is linked to those so and so many places on, with rates drawn for each distance, some of them through a hub of its own.
Topology random_symmetric(std::mt19937_64& random) {
  constexpr std::array sizes{2, 3, 5, 6, 7, 8, 9, 16};
  const auto n = sizes[random() % sizes.size()];
  Topology::Builder builder("symmetric");
  for (int i = 0; i < n; ++i) builder.add_node({.name = "gpu" + std::to_string(i)});
  for (int i = 0; i < n; ++i) builder.add_node({.name = "sw" + std::to_string(i), .kind = NodeKind::nvswitch});
  std::vector<int> steps{1};
  for (auto more = random() % 3; more > 0; --more) steps.push_back(1 + static_cast<int>(random() % static_cast<std::uint64_t>(n - 1)));
  for (const auto step : steps) {
    const auto rate = GBps(12.5 * static_cast<double>(1 + random() % 8));
    const bool through_hub = random() % 3 == 0;
    for (int i = 0; i < n; ++i) {
      const NodeId via{n + i};
      if (through_hub) builder.add_link({NodeId{i}, via, LinkKind::nvlink, rate, Seconds{1e-6}});
      builder.add_link({through_hub ? via : NodeId{i}, NodeId{(i + step) % n}, LinkKind::nvlink, rate, Seconds{1e-6}});
    }
  }
  return *std::move(builder).build();
}

TEST(FoldedForest, PlansOnRandomSymmetricMachinesAreAsGood) {
  std::mt19937_64 random(3);
  int folds = 0;
  for (std::size_t trial = 0; trial < 30; ++trial) {
    const auto machine = random_symmetric(random);
    const auto kind = folded_kinds[trial % folded_kinds.size()];
    const auto plan = folded(machine, kind);
    const auto list = listed(machine, kind);
    ASSERT_TRUE(plan && list) << trial << (plan ? "" : describe(plan.error()));
    if (!plan->schedule.folding().folded()) continue;
    ++folds;
    const auto seconds = [&](const Plan& made) { return bottleneck(machine, link_loads(machine, made.schedule)).seconds_per_byte; };
    EXPECT_NEAR(seconds(*plan) / seconds(*list), 1, 1e-9) << trial;
    EXPECT_EQ(plan->schedule.step_count(), list->schedule.step_count()) << trial;
  }
  EXPECT_GE(folds, 20);
}

}  // namespace
}  // namespace p2plab::forest_folding_test
