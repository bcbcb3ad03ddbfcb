// SPDX-License-Identifier: Apache-2.0
// Old plans on machines that lost something, and machines that are planned server by server.
#include <gtest/gtest.h>

#include "forest/servers.h"
#include "p2plab/bounds/bounds.h"
#include "p2plab/machine/mask.h"
#include "p2plab/machine/presets.h"
#include "p2plab/schedule/analysis.h"
#include "support/plans.h"
#include "support/random_topology.h"

namespace p2plab::forest_repair_test {
namespace {

double reached(const Topology& machine, const Collective& collective, const Schedule& schedule) {
  const auto best = bound(machine, collective);
  EXPECT_TRUE(best);
  return bottleneck(machine, link_loads(machine, schedule)).algbw_gbps() / best->algbw_gbps();
}

// The plan of `planner` on `before`, repaired by forest on what is left.
Result<Plan> repaired(const Topology& before, const Topology& now, CollectiveKind kind, const std::string& planner = "forest") {
  const auto old = test::plan_on(before, planner, kind);
  if (!old) return old.error();
  const PreviousPlan previous{before, old->schedule};
  PlanContext context;
  context.previous = &previous;
  return test::plan_on(now, "forest", make_collective(kind, now.ranks()), {}, context);
}

constexpr std::array kinds{CollectiveKind::all_gather, CollectiveKind::reduce_scatter, CollectiveKind::broadcast, CollectiveKind::reduce,
                           CollectiveKind::all_reduce};

// A lane, a NIC, a GPU: what is left is filled again.
TEST(ForestRepair, ReachesTheBoundOfWhatIsLeft) {
  struct Case {
    const char* machine;
    Mask mask;
  };
  const std::vector<Case> cases{{"dgx-v100", {.links = {{.from = "gpu0", .to = "gpu3", .fraction = 0.5}}}},
                                {"dgx-a100:nodes=2", {.links = {{.from = "gpu0", .to = "nic0"}}}},
                                {"dgx-a100:nodes=3", {.gpus = {"gpu5"}}},
                                {"torus:dims=4x4", {.links = {{.from = "gpu0", .to = "gpu1"}}}}};
  for (const auto& [name, mask] : cases) {
    const auto before = *resolve_topology(name);
    const auto now = apply_mask(before, mask);
    ASSERT_TRUE(now) << name << describe(now.error());
    for (const auto kind : kinds) {
      const auto plan = repaired(before, *now, kind);
      ASSERT_TRUE(plan) << name << " " << to_string(kind) << describe(plan.error());
      EXPECT_NEAR(reached(*now, make_collective(kind, now->ranks()), plan->schedule), 1, 1e-6) << name << " " << to_string(kind);
    }
  }
}

// Of the 64 trees of eight servers, those of the seven other GPUs on the rail of the lost NIC enter its server through another NIC each, and its own
// leave through the others: one tree a root is enough, as before the loss.
TEST(ForestRepair, KeepsOneTreeARootOnEightServers) {
  const auto before = *make_preset("dgx-a100", {{"nodes", "8"}});
  const auto now = *apply_mask(before, {.links = {{.from = "gpu0", .to = "nic0"}}});
  const auto plan = repaired(before, now, CollectiveKind::all_gather);
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_EQ(plan->schedule.chunks().size(), 64U);
  EXPECT_LE(rounds(plan->schedule), 3);
  EXPECT_DOUBLE_EQ(reached(now, make_collective(CollectiveKind::all_gather, 64), plan->schedule), 1);
}

// Plans of other planners, of other machines, of other collectives are only hints.
TEST(ForestRepair, ReachesTheBoundWhateverTheOldPlanWas) {
  const auto now = *make_preset("dgx-v100", {{"gpus", "7"}});
  const auto whole = *make_preset("dgx-v100", {});
  const auto other = *make_preset("hgx-h200", {});
  using Old = std::pair<const Topology*, const char*>;
  for (const auto& [before, planner] : {Old{&whole, "ring"}, {&whole, "tree"}, {&other, "forest"}, {&other, "one_shot"}, {&other, "two_shot"}}) {
    for (const auto old_kind : {CollectiveKind::all_gather, CollectiveKind::all_reduce}) {
      const auto old = test::plan_on(*before, planner, old_kind);
      ASSERT_TRUE(old) << planner;
      const PreviousPlan previous{*before, old->schedule};
      PlanContext context;
      context.previous = &previous;
      for (const auto kind : kinds) {
        const auto plan = test::plan_on(now, "forest", make_collective(kind, 7), {}, context);
        ASSERT_TRUE(plan) << planner << " " << to_string(kind) << describe(plan.error());
        EXPECT_NEAR(reached(now, make_collective(kind, 7), plan->schedule), 1, 1e-6) << planner << " " << to_string(kind);
      }
    }
  }
}

TEST(ForestRepair, IsAsGoodAsPlanningAnewOnRandomMachines) {
  int compared = 0;
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    test::RandomTopology random{seed};
    const auto before = random.make();
    const auto& lost = before.links()[static_cast<std::size_t>(random.between(0, static_cast<int>(before.links().size()) - 1))];
    const Mask mask{.links = {{.from = before.node(lost.from).name, .to = before.node(lost.to).name, .both_directions = false}}};
    const auto now = apply_mask(before, mask);
    if (!now || now->ranks() < 2) continue;
    const auto kind = kinds[seed % kinds.size()];
    const auto collective = make_collective(kind, now->ranks());
    const auto anew = test::plan_on(*now, "forest", collective);
    const auto plan = repaired(before, *now, kind);
    if (!test::plan_on(before, "forest", kind)) continue;
    ASSERT_EQ(static_cast<bool>(anew), static_cast<bool>(plan)) << seed << " " << to_string(kind);
    if (!anew) continue;
    ++compared;
    EXPECT_GE(reached(*now, collective, plan->schedule), reached(*now, collective, anew->schedule) - 1e-6) << seed << " " << to_string(kind);
  }
  EXPECT_GT(compared, 4);
}

// What enters a server over the network is spread inside: with three servers 2 of 3 shards through NICs as wide as the links inside.
TEST(ForestServers, TreesBetweenAndInsideServersFillTheWorstCutTogether) {
  for (const auto* name : {"dgx-a100:nodes=2", "dgx-a100:nodes=3", "hgx-h200:nodes=2", "hgx-h200:nodes=5"}) {
    const auto machine = *resolve_topology(name);
    for (const auto direction : both_directions) {
      const auto kind = is_inwards(direction) ? CollectiveKind::reduce_scatter : CollectiveKind::all_gather;
      ForestRequest problem{.members = make_collective(kind, machine.ranks()).members, .weights = {}, .direction = direction};
      problem.weights.assign(problem.members.size(), 1);
      const auto best = bound(machine, make_collective(kind, machine.ranks()));
      const auto seconds = best->inverse_rate.value() * 1e-9;  // per byte of each root
      const auto forest = compose_servers(machine, problem, seconds);
      ASSERT_TRUE(forest) << name;
      EXPECT_EQ(forest->height, 2) << name;
      EXPECT_GE(forest->seconds_per_weight, seconds * (1 - 1e-12)) << name;
      for (const auto& tree : forest->list.trees) {
        EXPECT_EQ(tree.edges.size(), problem.members.size() - 1);
        EXPECT_LE(height(tree), 2);
      }
    }
  }
}

// Unlike servers, and what has no network, are none of its business.
TEST(ForestServers, AMachineOfUnlikeServersIsLeftToOthers) {
  for (const auto& machine : {*make_preset("dgx-v100", {}), *apply_mask(*make_preset("dgx-a100", {{"nodes", "2"}}), {.gpus = {"gpu3"}})}) {
    ForestRequest problem{.members = make_collective(CollectiveKind::all_gather, machine.ranks()).members, .weights = {}};
    problem.weights.assign(problem.members.size(), 1);
    EXPECT_FALSE(compose_servers(machine, problem, 1));
  }
}

}  // namespace
}  // namespace p2plab::forest_repair_test
