// SPDX-License-Identifier: Apache-2.0
// Every registered planner, on any machine, for any collective: the plan verifies, or the planner says unsupported. Nothing else ever happens.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "p2plab/machine/presets.h"
#include "p2plab/plan/builtin_planners.h"
#include "p2plab/program/check.h"
#include "p2plab/schedule/verify.h"
#include "support/machines.h"
#include "support/plans.h"
#include "support/random_topology.h"

namespace p2plab::planners_test {
namespace {

using test::RandomTopology;

struct Case {
  const Topology& topology;
  const Registry<Planner>& planners;
  bool in_place = false;
};

std::string describe(const Case& c, const Entry<Planner>& entry, const Collective& collective) {
  return entry.name + " " + std::string{to_string(collective.kind)} + " on " + c.topology.name() + ", " + std::to_string(collective.members.size()) +
         " of " + std::to_string(c.topology.ranks()) + " ranks, root " + std::to_string(collective.root.value) + (c.in_place ? ", in place" : "");
}

// Whatever lowering makes of the plan for payloads of any size is proved as well.
void expect_programs_proved(const Case& c, const Schedule& schedule, const Proof& proof, const std::string& name) {
  struct Cut {
    std::int64_t elements;
    Tuning tuning;
  };
  for (const auto& [elements, tuning] : {Cut{1, {.slices = 4, .lane_per_step = true}}, Cut{1021, {.blocks_per_lane = 3, .slice = Bytes{64}}},
                                         Cut{std::int64_t{1} << 28, {.blocks_per_lane = 2, .slice = 1_MiB}}}) {
    const auto program = lower_checked(c.topology, schedule, proof, {.elements = elements, .type = DataType::float32}, tuning);
    EXPECT_TRUE(program) << name << ", " << elements << " elements: " << p2plab::describe(program.error());
  }
}

// True if the plan was made and proved, false if the planner says unsupported; anything else fails the test.
bool proved(const Case& c, const Entry<Planner>& entry, const Collective& collective) {
  PlanContext context;
  context.payload.elements = 1000;
  context.in_place = c.in_place;
  const auto plan = entry.make()->plan(c.topology, collective, context);
  if (!plan) {
    EXPECT_EQ(plan.error().code, ErrorCode::unsupported) << describe(c, entry, collective) << ": " << p2plab::describe(plan.error());
    EXPECT_FALSE(plan.error().notes.empty()) << "says what to use instead: " << describe(c, entry, collective);
    return false;
  }
  const auto proof = verify(c.topology, plan->schedule, {.in_place = c.in_place});
  EXPECT_TRUE(proof) << describe(c, entry, collective) << ": " << (proof ? "" : p2plab::describe(proof.error()));
  EXPECT_EQ(plan->planner.empty(), false);
  if (proof) expect_programs_proved(c, plan->schedule, *proof, describe(c, entry, collective));
  return static_cast<bool>(proof);
}

// How many planners serve a collective.
int planners_that_prove(const Case& c, const Collective& collective) {
  return static_cast<int>(std::ranges::count_if(c.planners.entries(), [&](const auto& entry) { return proved(c, entry, collective); }));
}

class Ranks : public ::testing::TestWithParam<int> {};

TEST_P(Ranks, EveryCollectiveIsServedByTwoPlannersOnASwitchAndInPlaceToo) {
  const auto topology = test::one_switch(GetParam());
  const auto planners = builtin_planners();
  for (const auto kind : all_collective_kinds()) {
    for (const bool in_place : {false, true}) {
      const Rank root{GetParam() - 1};
      EXPECT_GE(planners_that_prove({topology, planners, in_place}, make_collective(kind, GetParam(), root)), 2) << to_string(kind);
    }
  }
}
INSTANTIATE_TEST_SUITE_P(All, Ranks, ::testing::Values(1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 15, 16, 24));

TEST(Planners, ProveEveryCollectiveOnMachinesOfEveryShape) {
  const auto planners = builtin_planners();
  const std::vector<Topology> machines{test::full_mesh(5),
                                       test::dgx1(8, true, true),
                                       test::dgx1(5, true, false),
                                       test::islands_over_pcie(3, 2),
                                       test::islands_over_pcie(2, 4),
                                       test::servers(2, 4),
                                       test::servers(3, 3),
                                       test::line(4)};
  for (const auto& topology : machines) {
    for (const auto kind : all_collective_kinds()) {
      for (const bool in_place : {false, true}) planners_that_prove({topology, planners, in_place}, make_collective(kind, topology.ranks(), Rank{1}));
    }
  }
}

TEST(Planners, ProveAllReduceBroadcastAndAllGatherOnEveryPreset) {
  const auto planners = builtin_planners();
  for (const auto& preset : builtin_presets()) {
    const auto topology = make_preset(preset.name, {});
    ASSERT_TRUE(topology) << preset.name;
    if (topology->ranks() > 32) continue;  // minutes with a large one; 64 ranks have a test of their own
    for (const auto kind : {CollectiveKind::all_reduce, CollectiveKind::broadcast, CollectiveKind::all_gather}) {
      const Case c{*topology, planners, false};
      EXPECT_GE(planners_that_prove(c, make_collective(kind, topology->ranks())), 1) << preset.name << " " << to_string(kind);
    }
  }
}

TEST(Planners, ProveSixtyFourRanks) {
  const auto planners = builtin_planners();
  const auto topology = test::servers(8, 8);
  for (const auto kind : all_collective_kinds())
    EXPECT_GE(planners_that_prove({topology, planners, false}, make_collective(kind, 64, Rank{9})), 2) << to_string(kind);
}

// 256 GPUs on a torus, no time at all: every planner gives the plan at hand, proved, or says why it has none.
TEST(Planners, EndTheirSearchWhenTheTimeIsUp) {
  const auto planners = builtin_planners();
  const auto topology = *make_preset("torus", {{"dims", "16x16"}});
  int made = 0;
  for (const auto& entry : planners.entries()) {
    PlanContext context;
    context.time_limit = Seconds{0};
    const auto begin = std::chrono::steady_clock::now();
    const auto plan = entry.make()->plan(topology, make_collective(CollectiveKind::broadcast, topology.ranks()), context);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{30}) << entry.name;
    if (!plan) {
      EXPECT_EQ(plan.error().code, ErrorCode::unsupported) << entry.name;
      continue;
    }
    EXPECT_TRUE(verify(topology, plan->schedule)) << entry.name;
    ++made;
  }
  EXPECT_GE(made, 3);  // ring, tree, forest
}

TEST(Planners, RefuseParametersTheyDoNotKnow) {
  const auto planners = builtin_planners();
  const auto topology = test::one_switch(4);
  PlanContext context;
  context.parameters = {{"no_such_parameter", "1"}};
  for (const auto& entry : planners.entries()) {
    const auto plan = entry.make()->plan(topology, make_collective(CollectiveKind::broadcast, 4), context);
    ASSERT_FALSE(plan) << entry.name;
    EXPECT_EQ(plan.error().code, ErrorCode::unknown_name) << entry.name;
  }
}

TEST(Planners, RefuseBrokenContractsAsInvalidInput) {
  const auto planners = builtin_planners();
  const auto topology = test::one_switch(4);
  PlanContext context;
  for (const auto& entry : planners.entries()) {
    const auto plan = entry.make()->plan(topology, make_collective(CollectiveKind::broadcast, 4, Rank{7}), context);
    ASSERT_FALSE(plan) << entry.name;
    EXPECT_EQ(plan.error().code, ErrorCode::invalid_input) << entry.name;
  }
}

// A collective among some of the ranks, in any order, with silent members, uneven shares and any root.
Collective random_collective(RandomTopology& random, int ranks) {
  const auto kinds = all_collective_kinds();
  auto collective = make_collective(kinds[static_cast<std::size_t>(random.between(0, static_cast<int>(kinds.size()) - 1))], ranks);
  auto& members = collective.members;
  for (int swaps = random.chance(50) ? ranks : 0; swaps > 0; --swaps) {
    std::swap(members[static_cast<std::size_t>(random.between(0, ranks - 1))], members[static_cast<std::size_t>(random.between(0, ranks - 1))]);
  }
  if (random.chance(30)) members.resize(static_cast<std::size_t>(random.between(1, ranks)));
  const auto any = [&] { return members[static_cast<std::size_t>(random.between(0, static_cast<int>(members.size()) - 1))]; };
  collective.root = any();
  if (!collective.pairs.empty()) {
    collective.pairs.clear();
    for (int p = random.between(1, ranks); p > 0; --p) collective.pairs.emplace_back(any(), any());
  }
  for (const auto rank : members) {
    if (rank != collective.root && random.chance(10)) collective.silent.push_back(rank);
  }
  using enum CollectiveKind;
  const bool sharded = collective.kind == all_gather || collective.kind == reduce_scatter || collective.kind == gather || collective.kind == scatter;
  if (sharded && random.chance(30)) {
    for (std::size_t i = 0; i < members.size(); ++i) collective.shares.push_back(random.between(0, 3));
    collective.shares.front() = 1;
  }
  return collective;
}

class RandomMachines : public ::testing::TestWithParam<int> {};

// Ten shards of a thousand machines; on each, one planner and one collective drawn at random, and every fortieth time all planners.
TEST_P(RandomMachines, PlansVerifyOrAreUnsupported) {
  const auto planners = builtin_planners();
  const auto entries = planners.entries();
  int made = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto seed = static_cast<std::uint64_t>(GetParam() * 1000 + i);
    RandomTopology random(seed);
    const auto topology = random.make();
    const auto collective = random_collective(random, topology.ranks());
    const Case c{topology, planners, random.chance(50)};
    const auto drawn = static_cast<std::size_t>(random.between(0, static_cast<int>(entries.size()) - 1));
    SCOPED_TRACE("seed " + std::to_string(seed));
    for (std::size_t e = 0; e < entries.size(); ++e) {
      if (e == drawn || i % 40 == 0) made += proved(c, entries[e], collective) ? 1 : 0;
    }
    if (HasFailure()) return;
  }
  EXPECT_GT(made, 250);
}
INSTANTIATE_TEST_SUITE_P(Shards, RandomMachines, ::testing::Range(0, 10));

}  // namespace
}  // namespace p2plab::planners_test
