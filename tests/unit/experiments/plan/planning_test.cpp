// SPDX-License-Identifier: Apache-2.0
// Plans of a run: made once, chosen by prediction.
#include "p2plab/experiment/planning.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "p2plab/machine/mask.h"
#include "p2plab/machine/presets.h"
#include "p2plab/plan/builtin_planners.h"
#include "p2plab/plan/candidates.h"
#include "p2plab/program/plan_io.h"
#include "p2plab/schedule/analysis.h"
#include "plan/collective_bound.h"
#include "plan/selector.h"
#include "support/machines.h"

namespace p2plab::planning_test {
namespace {

Payload elements(std::int64_t count) { return {.elements = count, .type = DataType::float16}; }

// Promises an all-reduce and moves nothing.
class Idle final : public Planner {
 public:
  Result<Plan> plan(const Topology& topology, const Collective& collective, const PlanContext&) const override {
    auto builder = *Schedule::Builder::create(collective, topology.ranks());
    builder.add_chunk({0, 1, 0});
    return Plan{.schedule = *std::move(builder).build(), .planner = "idle"};
  }
};

TEST(Auto, SaysWhosePlanItLeftOutForItsProofFailed) {
  Registry<Planner> planners;
  planners.add({"idle", "moves nothing", {}, [] { return std::make_unique<Idle>(); }});
  const auto known = builtin_planners();
  planners.add(*known.find("ring"));
  const Evaluator evaluator(test::one_switch(4));
  PlanBook book(evaluator);
  const PlanningOptions options;
  const auto chosen =
      Selector(evaluator, book, planners).select({}, make_collective(CollectiveKind::all_reduce, 4), elements(1 << 20), PlanCall(options));
  ASSERT_TRUE(chosen) << describe(chosen.error());
  EXPECT_EQ(chosen->plan().planner, "ring");
  EXPECT_NE(chosen->choice.find("left out, for its proof failed: idle ("), std::string::npos) << chosen->choice;
}

TEST(Auto, TakesThePlanWithTheLeastPredictedTimeAndSaysByHowMuch) {
  const Planning planning(Evaluator(test::one_switch(4)));
  const auto collective = make_collective(CollectiveKind::all_reduce, 4);
  std::vector<std::pair<std::string, Seconds>> told;
  const auto chosen =
      planning.plan({"auto"}, collective, elements(1 << 20), {.considered = [&](const std::string& name, std::optional<Seconds> time) {
                      if (time) told.emplace_back(name, *time);
                    }});
  ASSERT_TRUE(chosen) << describe(chosen.error());
  const auto best = std::ranges::min_element(told, {}, &std::pair<std::string, Seconds>::second);
  EXPECT_EQ(chosen->prediction.time, best->second);
  EXPECT_EQ(chosen->reason().substr(0, best->first.size()), best->first);
  EXPECT_NE(chosen->choice.find(" % more)"), std::string::npos) << chosen->choice;
  EXPECT_EQ(chosen->kept_plan().reason, chosen->choice + "; " + chosen->plan().reason);
  for (const auto& algorithm : algorithms()) {
    const auto plan = planning.plan({algorithm.name}, collective, elements(1 << 20));
    if (plan) {
      EXPECT_GE(plan->prediction.time, chosen->prediction.time) << algorithm.name;
    }
  }
}

// 72 GPUs, one of which has lost its NIC: its server's others carry its shard, and eight servers reduce, (1 + 7/8) payloads instead of (1 + 7/9).
TEST(Auto, PlansNearlyTheWholeMachinesTimeWhereOneNicIsLost) {
  const auto whole = test::servers(9, 8);
  const auto broken = apply_mask(whole, {.links = {{.from = "gpu3", .to = "nic3"}}});
  ASSERT_TRUE(broken) << describe(broken.error());
  const auto known = builtin_planners();
  Registry<Planner> planners;
  planners.add(*known.find("hierarchical"));
  planners.add(*known.find("ring"));
  const auto collective = make_collective(CollectiveKind::all_reduce, whole.ranks());
  const auto time_on = [&](const Topology& topology) {
    const Evaluator evaluator(topology);
    PlanBook book(evaluator);
    const PlanningOptions options;
    const auto chosen = Selector(evaluator, book, planners).select({}, collective, elements(1 << 20), PlanCall(options));
    EXPECT_TRUE(chosen && chosen->plan().planner == "hierarchical");
    return chosen ? chosen->prediction.time.count() : 0;
  };
  const auto time = time_on(*broken);
  EXPECT_LT(time, 16.3e-6);  // as when the whole one took 15.68 us
  const auto slower = time / time_on(whole);
  EXPECT_GT(slower, 1);
  EXPECT_LT(slower, 1.09);
}

TEST(Auto, TakesFewRoundsForSmallAndFewBytesForLargePayloads) {
  const auto topology = test::one_switch(8);
  Profile profile;
  profile.launch = profile.signal_peer = Seconds{1e-6};
  const Planning planning(Evaluator(topology, profile));
  const auto collective = make_collective(CollectiveKind::all_reduce, 8);
  const auto small = planning.plan({"auto"}, collective, elements(64));
  ASSERT_TRUE(small);
  EXPECT_EQ(rounds(small->plan().schedule), 1);
  const auto large = planning.plan({"auto"}, collective, elements(32 << 20));
  ASSERT_TRUE(large);
  EXPECT_NEAR(bottleneck(topology, link_loads(topology, large->plan().schedule)).algbw_gbps(), 100 / 1.75, 1e-9);
}

// In the forms of GPUs candidates are left out by a bound; the choice and the runner-up are those of all.
TEST(Auto, LeavesOutOnlyWhatCanBeNeitherBestNorRunnerUp) {
  const auto profile = *load_profile(P2PLAB_SOURCE_DIR "/profiles/h200.yaml");
  const Planning planning(Evaluator(*make_preset("hgx-h200", {}), profile, {.forms = usual_forms(profile)}));
  const auto collective = make_collective(CollectiveKind::all_reduce, 8);
  const auto planners = builtin_planners();
  for (const std::int64_t count : {1 << 9, 1 << 19, 1 << 25}) {
    struct Time {
      std::string planner;
      Seconds time;
    };
    std::vector<Time> all;
    for (const auto& each : plan_candidates(planners, 8)) {
      const auto plan = planning.plan({each.planner->name, each.parameters}, collective, elements(count));
      if (plan) all.push_back({each.planner->name, plan->prediction.time});
    }
    std::ranges::stable_sort(all, {}, &Time::time);
    const auto next = std::ranges::find_if(all, [&](const Time& t) { return t.planner != all.front().planner; });
    const auto chosen = planning.plan({"auto"}, collective, elements(count));
    ASSERT_TRUE(chosen) << describe(chosen.error());
    EXPECT_EQ(chosen->prediction.time, all.front().time) << count;
    EXPECT_NE(chosen->choice.find("; next " + next->planner), std::string::npos) << chosen->choice << ", not " << next->planner;
  }
}

// 16 servers of 4 GPUs: what grows with the pairs of GPUs comes after what grows with the GPUs.
TEST(Auto, AsksLargeGroupsFirstForShortPlans) {
  const Planning planning(Evaluator(test::servers(16, 4)));
  std::vector<std::string> asked;
  PlanningOptions options;
  options.considered = [&](const std::string& name, std::optional<Seconds>) { asked.push_back(name); };
  ASSERT_TRUE(planning.plan({"auto"}, make_collective(CollectiveKind::all_reduce, 64), elements(1 << 22), options));
  const auto place = [&](const std::string& name) { return std::ranges::find(asked, name) - asked.begin(); };
  EXPECT_LT(place("hierarchical (across=tree)"), place("hierarchical"));
  EXPECT_LT(place("tree"), place("two_shot"));
}

// 12 servers of 8, fewer elements than GPUs: as blocks have no bytes, only hops say that rings take long.
TEST(Auto, AsksRingsLastForExchangesOfFewElements) {
  const Planning planning(Evaluator(test::servers(12, 8)));
  std::vector<std::string> asked;
  PlanningOptions options;
  options.considered = [&](const std::string& name, std::optional<Seconds>) { asked.push_back(name); };
  ASSERT_TRUE(planning.plan({"auto"}, make_collective(CollectiveKind::all_to_all, 96), elements(64), options));
  EXPECT_LT(std::ranges::find(asked, "flow"), std::ranges::find(asked, "ring"));
}

// 64 members on a switch: two_shot takes two steps, bruck twelve, which alone take longer.
TEST(Auto, LeavesOutWhatItsStepsOneAfterAnotherRuleOut) {
  Profile profile;
  profile.launch = profile.signal_peer = profile.poll = Seconds{1e-6};
  const Planning planning(Evaluator(test::one_switch(64), profile));
  std::vector<std::string> asked;
  PlanningOptions options;
  options.considered = [&](const std::string& name, std::optional<Seconds> time) {
    if (!time) asked.push_back(name);
  };
  const auto collective = make_collective(CollectiveKind::all_reduce, 64);
  const auto chosen = planning.plan({"auto"}, collective, elements(1 << 14), options);
  ASSERT_TRUE(chosen);
  EXPECT_NE(std::ranges::find(asked, "bruck"), asked.end());
  const auto bruck = planning.plan({"bruck"}, collective, elements(1 << 14));
  ASSERT_TRUE(bruck);
  EXPECT_GT(bruck->prediction.time, chosen->prediction.time);
}

// By packets around a ring of 64 a gather's calls overlap: in a row each takes less than one call of any plan, and flow's less than the tree's, which
// is weighed first.
TEST(Auto, GoesOnWhereCallsInARowTakeLessThanOneCall) {
  const auto machine = *make_preset("ring", {{"gpus", "64"}});
  const Planning planning{Evaluator(machine)};
  const auto collective = make_collective(CollectiveKind::gather, 64);
  const Payload payload{.elements = 1 << 16};
  const auto time_of = [&](const std::string& name) { return planning.plan({name}, collective, payload)->prediction.time; };
  const auto alone = lower_bound(*bound(machine, collective), payload);
  EXPECT_LT(time_of("tree"), alone / 3);
  EXPECT_LT(time_of("flow"), time_of("tree"));
  EXPECT_LE(time_of("auto"), time_of("flow"));
  EXPECT_GE(time_of("auto"), least_in_a_row(*bound(machine, collective), collective, 64, payload));
}

// Where all hear from all, one call's bound is that of calls in a row.
TEST(Auto, BoundsCallsInARowByOneCallWhereAllHearFromAll) {
  const auto machine = *make_preset("ring", {{"gpus", "8"}});
  for (const auto kind : all_collective_kinds()) {
    const auto collective = make_collective(kind, 8);
    const auto best = *bound(machine, collective);
    const Payload small{.elements = 64};
    const auto in_a_row = least_in_a_row(best, collective, 8, small);
    using enum CollectiveKind;
    const bool all_hear_all = kind == all_reduce || kind == all_gather || kind == reduce_scatter || kind == all_to_all;
    EXPECT_LE(in_a_row, lower_bound(best, small));
    EXPECT_EQ(in_a_row == lower_bound(best, small), all_hear_all) << to_string(kind);
  }
}

TEST(Auto, SaysWhyNoPlanIsPossible) {
  // Two GPUs without a link.
  Topology::Builder builder("apart");
  for (const auto* name : {"gpu0", "gpu1"}) builder.add_node({.name = name});
  const auto refused = plan_one(Evaluator(*std::move(builder).build()), {"auto"}, make_collective(CollectiveKind::all_reduce, 2), elements(8));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  EXPECT_FALSE(refused.error().notes.empty());
}

TEST(Auto, ChecksItsParametersAndTheContract) {
  const Evaluator evaluator(test::one_switch(4));
  EXPECT_EQ(plan_one(evaluator, {"auto", {{"no_such", "1"}}}, make_collective(CollectiveKind::broadcast, 4), elements(8)).error().code,
            ErrorCode::unknown_name);
  EXPECT_EQ(plan_one(evaluator, {"auto"}, make_collective(CollectiveKind::broadcast, 4, Rank{7}), elements(8)).error().code,
            ErrorCode::invalid_input);
}

TEST(Planning, TakesAPlanOfAFileForItsMachineAndCollectiveOnly) {
  const auto topology = test::one_switch(4);
  const Planning planning{Evaluator(topology)};
  const auto collective = make_collective(CollectiveKind::all_reduce, 4);
  const auto made = planning.plan({"ring"}, collective, elements(1 << 16));
  ASSERT_TRUE(made);
  const auto file = std::make_shared<const PlanFile>(PlanFile{topology, made->plan(), elements(1 << 16)});
  const AlgorithmChoice choice{.name = "plan", .file = file};
  const auto same = planning.plan(choice, collective, elements(1 << 16));
  ASSERT_TRUE(same) << describe(same.error());
  EXPECT_EQ(same->prediction.time, made->prediction.time);
  EXPECT_EQ(planning.plan(choice, collective, elements(1 << 10))->proved, same->proved);
  EXPECT_EQ(planning.plan(choice, make_collective(CollectiveKind::broadcast, 4), elements(8)).error().message, "the plan file is for all_reduce");
  const auto elsewhere = plan_one(Evaluator(test::full_mesh(4)), choice, collective, elements(8));
  ASSERT_FALSE(elsewhere);
  EXPECT_EQ(elsewhere.error().code, ErrorCode::unsupported);
  EXPECT_NE(elsewhere.error().message.find(topology.fingerprint()), std::string::npos) << elsewhere.error().message;
}

TEST(Planning, MakesAndProvesAPlanOnceForAllSizesUnlessItHangsOnThem) {
  const Planning planning(Evaluator(*make_preset("dgx-v100", {})));
  for (const auto& [name, kind, once] : {std::tuple{"ring", CollectiveKind::all_reduce, true},
                                         {"ring", CollectiveKind::broadcast, false},  // slices of a chain
                                         {"forest", CollectiveKind::all_gather, true},
                                         {"tree", CollectiveKind::all_reduce, false}}) {
    const auto collective = make_collective(kind, 8);
    const auto first = planning.plan({name}, collective, elements(1 << 12));
    const auto second = planning.plan({name}, collective, elements(1 << 16));
    ASSERT_TRUE(first && second) << name;
    EXPECT_EQ(first->proved == second->proved, once) << name << ' ' << to_string(kind);
    EXPECT_EQ(planning.plan({name}, collective, elements(1 << 12))->proved, first->proved);
  }
}

// Planners that choose among plans by the payload plan them all once, and choose what they choose alone.
TEST(Planning, ChoosesAmongAPlannersPlansAsThePlannerDoes) {
  const auto topology = *make_preset("dgx-v100", {});
  const Evaluator evaluator(topology);
  const Planning planning(evaluator);
  const auto planners = builtin_planners();
  const auto collective = make_collective(CollectiveKind::all_reduce, 8);
  for (const auto* name : {"latency", "hierarchical"}) {
    const auto planner = planners.find(name)->make();
    for (const std::int64_t count : {64, 1 << 14, 1 << 22}) {
      const auto alone = planner->plan(topology, collective, {.payload = elements(count)});
      const auto known = planning.plan({name}, collective, elements(count));
      ASSERT_EQ(static_cast<bool>(alone), static_cast<bool>(known)) << name;
      if (!alone) continue;
      EXPECT_EQ(known->plan().parameters, alone->parameters) << name << ' ' << count;
      EXPECT_EQ(known->plan().reason, alone->reason);
      EXPECT_EQ(known->plan().schedule.step_count(), alone->schedule.step_count());
    }
  }
}

// Plans are kept with the form that was found for them: it is the same whoever asked first, auto, which needs no more than the best, or the planner
// itself.
TEST(Planning, FindsTheSameFormOfAPlanWhoeverAskedFirst) {
  const auto machine = *make_preset("hgx-a100", {{"nodes", "2"}});
  const auto profile = *load_profile(P2PLAB_SOURCE_DIR "/profiles/a100.yaml");
  const auto collective = make_collective(CollectiveKind::all_reduce, machine.ranks());
  for (const std::int64_t count : {std::int64_t{1} << 14, std::int64_t{1} << 22}) {
    const Planning after_auto{Evaluator(machine, profile)};
    ASSERT_TRUE(after_auto.plan({"auto"}, collective, elements(count)));
    for (const auto* planner : {"ring", "forest", "hierarchical", "two_shot", "tree"}) {
      const auto second = after_auto.plan({planner}, collective, elements(count));
      const auto first = Planning{Evaluator(machine, profile)}.plan({planner}, collective, elements(count));
      ASSERT_TRUE(first && second) << planner;
      EXPECT_EQ(second->prediction.time, first->prediction.time) << planner << " of " << count;
      EXPECT_EQ(second->program.tuning.blocks_per_lane, first->program.tuning.blocks_per_lane) << planner << " of " << count;
      EXPECT_EQ(second->program.tuning.slice, first->program.tuning.slice) << planner << " of " << count;
    }
  }
}

}  // namespace
}  // namespace p2plab::planning_test
