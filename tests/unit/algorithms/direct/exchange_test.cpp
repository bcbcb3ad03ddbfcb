// SPDX-License-Identifier: Apache-2.0
// All-to-all and send/receive: plans that list one rank's part and turn it are the plans that list all, and islands are used as theory says.
#include <limits>
#include <set>

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "p2plab/machine/presets.h"
#include "p2plab/schedule/step_reader.h"
#include "support/folding.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::exchange_test {
namespace {

Result<Plan> planned(const Topology& machine, const char* planner, const Collective& collective, std::size_t fold_from) {
  PlanContext context;
  context.fold_from = fold_from;
  return test::plan_on(machine, planner, collective, {}, context);
}
Result<Plan> folded(const Topology& machine, const char* planner, const Collective& collective) { return planned(machine, planner, collective, 2); }
Result<Plan> listed(const Topology& machine, const char* planner, const Collective& collective) {
  return planned(machine, planner, collective, std::numeric_limits<std::size_t>::max());
}

// But for where things lie in scratch: each image has slots of its own.
Program lowered(const Topology& machine, const Schedule& schedule) {
  const auto proof = verify(machine, schedule);
  EXPECT_TRUE(proof);
  auto program = *lower(schedule, *proof, {.elements = 100'003}, {});
  for (auto& operand : program.operands) operand.offset = operand.buffer == Buffer::scratch ? 0 : operand.offset;
  return program;
}

constexpr std::array servers{"dgx-a100:gpus=1,nodes=3",
                             "dgx-a100:gpus=2,nodes=3",
                             "dgx-a100:gpus=3,nodes=5",
                             "dgx-a100:gpus=5,nodes=3",
                             "dgx-a100:gpus=7,nodes=2",
                             "dgx-a100:nodes=3",
                             "dgx-2:nodes=2"};

TEST(FoldedExchange, IsTheProgramThatItsListGivesOn1To16RanksAServer) {
  for (const auto* name : servers) {
    const auto machine = *resolve_topology(name);
    for (const auto kind : {CollectiveKind::all_to_all, CollectiveKind::send_receive}) {
      for (const auto* planner : {"pairwise", "hierarchical", "bruck"}) {
        SCOPED_TRACE(machine.name() + " " + planner + " " + std::string{to_string(kind)});
        const auto collective = make_collective(kind, machine.ranks());
        const auto list = listed(machine, planner, collective);
        const auto plan = folded(machine, planner, collective);
        ASSERT_EQ(static_cast<bool>(plan), static_cast<bool>(list));
        if (!plan) continue;
        EXPECT_FALSE(list->schedule.folding().folded());
        // The next rank of a server's last one is in the next server, so servers differ in what leaves them by send/receive.
        EXPECT_EQ(plan->schedule.folding().folded(), kind == CollectiveKind::all_to_all || planner == std::string_view{"pairwise"});
        const auto program = lowered(machine, plan->schedule);
        const auto same = lowered(machine, list->schedule);
        EXPECT_EQ(write_program({machine, program}), write_program({machine, same}));
        if (plan->schedule.folding().folded()) test::expect_as_listed(machine, plan->schedule, {1021});
      }
    }
  }
}

// Pulled or pushed in one round; the list goes by receiver, so only the steps of each rank are the same.
TEST(FoldedExchange, OneShotGivesEachPairTheSameStep) {
  const auto machine = *resolve_topology("dgx-a100:gpus=3,nodes=3");
  for (const auto* mode : {"pull", "push"}) {
    PlanContext context;
    context.fold_from = 2;
    const auto collective = make_collective(CollectiveKind::all_to_all, machine.ranks());
    const auto plan = test::plan_on(machine, "one_shot", collective, {{"mode", mode}}, context);
    ASSERT_TRUE(plan) << describe(plan.error());
    test::expect_as_listed(machine, plan->schedule, {1021});
    const auto list = test::plan_on(machine, "one_shot", collective, {{"mode", mode}});
    EXPECT_FALSE(list->schedule.folding().folded());
    EXPECT_EQ(plan->schedule.step_count(), list->schedule.step_count());
    EXPECT_EQ(link_loads(machine, plan->schedule).per_link, link_loads(machine, list->schedule).per_link);
  }
}

TEST(FoldedExchange, FlowSendsAlongTheSamePathsAsItsList) {
  for (const auto* name : {"dgx-a100:gpus=3,nodes=5", "dgx-2:nodes=2", "ring:gpus=5", "torus:dims=3x3", "torus:dims=4x4"}) {
    SCOPED_TRACE(name);
    const auto machine = *resolve_topology(name);
    const auto collective = make_collective(CollectiveKind::all_to_all, machine.ranks());
    const auto plan = folded(machine, "flow", collective);
    const auto list = listed(machine, "flow", collective);
    ASSERT_TRUE(plan && list);
    ASSERT_TRUE(plan->schedule.folding().folded());
    test::expect_as_listed(machine, plan->schedule, {1021});
    EXPECT_EQ(plan->schedule.step_count(), list->schedule.step_count());
    EXPECT_EQ(plan->reason, list->reason);
    const auto loads = link_loads(machine, plan->schedule).per_link;
    const auto same = link_loads(machine, list->schedule).per_link;
    for (std::size_t l = 0; l < loads.size(); ++l) EXPECT_NEAR(loads[l], same[l], 1e-12);
  }
}

// Nobody's part stands for others' where members differ: in what they send, or in how many share their island.
TEST(FoldedExchange, LeavesUnevenIslandsAndSilentMembersUnfolded) {
  const auto machine = *resolve_topology("dgx-a100:gpus=4,nodes=3");
  auto uneven = make_collective(CollectiveKind::all_to_all, machine.ranks());
  uneven.members.erase(uneven.members.begin() + 5, uneven.members.begin() + 7);
  auto silent = make_collective(CollectiveKind::all_to_all, machine.ranks());
  silent.silent = {Rank{3}};
  auto pairs = make_collective(CollectiveKind::send_receive, machine.ranks());
  pairs.pairs[2].second = Rank{9};
  for (const auto& collective : {uneven, silent, pairs}) {
    for (const auto* planner : {"pairwise", "hierarchical", "flow"}) {
      const auto plan = folded(machine, planner, collective);
      ASSERT_TRUE(plan) << describe(plan.error());
      const bool by_places_alone = collective.members.size() == 10 && planner == std::string_view{"pairwise"};
      EXPECT_EQ(plan->schedule.folding().folded(), by_places_alone) << planner;
      EXPECT_TRUE(verify(machine, plan->schedule)) << planner;
    }
  }
}

// The middle of a star reaches all others, which do not reach each other: one's part of the plan is sound, its turns are not.
TEST(FoldedExchange, NamesAPathThatAnotherRankLacks) {
  Topology::Builder builder("star");
  const auto middle = builder.add_node({.name = "g0"});
  for (int g = 1; g < 5; ++g) builder.add_duplex(middle, builder.add_node({.name = fmt::format("g{}", g)}), LinkKind::nvlink, GBps(25), Seconds{0});
  const auto machine = *std::move(builder).build();
  for (const auto* planner : {"pairwise", "bruck", "one_shot"}) {
    const auto plan = folded(machine, planner, make_collective(CollectiveKind::all_to_all, machine.ranks()));
    ASSERT_FALSE(plan) << planner;
    EXPECT_EQ(plan.error().code, ErrorCode::unsupported) << planner;
    EXPECT_NE(plan.error().message.find("without passing another GPU"), std::string::npos) << plan.error().message;
  }
}

TEST(HierarchicalExchange, TalksToItsIslandAndToThosePlacedLikeItself) {
  const auto machine = test::servers(3, 4);
  const auto plan = test::plan_on(machine, "hierarchical", CollectiveKind::all_to_all);
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_EQ(rounds(plan->schedule), 2);
  std::set<std::int32_t> peers;
  StepReader steps(plan->schedule);
  for (std::size_t i = 0; i < plan->schedule.step_count(); ++i) {
    const auto step = steps(StepId{static_cast<std::int64_t>(i)});
    if (step.executor == Rank{5} && step.destinations.front().rank != Rank{5}) peers.insert(step.destinations.front().rank.value);
  }
  EXPECT_EQ(peers, (std::set<std::int32_t>{1, 4, 6, 7, 9}));
  // Each rail carries what its rank's island has for the two others: 4 blocks for each of 4 ranks each, of 12 of a payload.
  const auto loads = link_loads(machine, plan->schedule);
  for (const auto id : machine.out_links(*machine.find_node("net"))) EXPECT_NEAR(loads.per_link[id.index()], 8.0 / 12, 1e-12);
}

TEST(HierarchicalExchange, RefusesRings) {
  const auto machine = test::servers(3, 4);
  for (const auto* where : {"inside", "across"}) {
    const auto plan = test::plan_on(machine, "hierarchical", CollectiveKind::all_to_all, {{where, "ring"}});
    ASSERT_FALSE(plan) << where;
    EXPECT_EQ(plan.error().code, ErrorCode::unsupported);
    EXPECT_TRUE(test::plan_on(machine, "hierarchical", CollectiveKind::all_to_all, {{where, "direct"}}));
  }
}

}  // namespace
}  // namespace p2plab::exchange_test
