// SPDX-License-Identifier: Apache-2.0
// The form in which a plan is predicted fastest: how it is cut and dealt out to thread blocks.
#include "p2plab/experiment/evaluator.h"

#include <gtest/gtest.h>

#include <functional>

#include "p2plab/bounds/bounds.h"
#include "p2plab/machine/presets.h"
#include "p2plab/machine/topology_import.h"
#include "p2plab/program/lower.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::evaluator_test {
namespace {

// Seven GPUs of a DGX-1, six for all-reduce: uneven trees through relays.
TEST(Evaluate, FindsTheFormInWhichUnevenTreesTakeTheTimeOfTheBound) {
  for (const auto& [kind, gpus] :
       {std::pair{CollectiveKind::all_gather, "7"}, {CollectiveKind::reduce_scatter, "7"}, {CollectiveKind::all_reduce, "6"}}) {
    const auto machine = *make_preset("dgx-v100", {{"gpus", gpus}});
    const Evaluator evaluator(machine);
    const auto payload = payload_of(64_MiB, DataType::float16, ReduceOp::sum);
    const auto best = lower_bound(*bound(machine, make_collective(kind, machine.ranks())), payload);
    const auto proved = *evaluator.prove(*test::plan_on(machine, "forest", kind), false);
    const auto found = evaluator.evaluate(proved, payload);
    ASSERT_TRUE(found) << describe(found.error());
    EXPECT_LE(found->prediction.time.count(), 1.01 * best.count()) << to_string(kind);
    EXPECT_GT(found->program.tuning.slices, 0) << to_string(kind);
    EXPECT_EQ(evaluator.evaluate_as(proved, payload, found->program.tuning)->prediction.time, found->prediction.time) << to_string(kind);
  }
}

// A plan with more lanes than copies of any would be worth is cut into slices all the same.
TEST(Evaluate, SlicesPlansOfManyLanes) {
  const auto machine = *make_preset("torus", {{"dims", "4x4"}});
  const Evaluator evaluator(machine);
  const auto payload = payload_of(64_MiB, DataType::float16, ReduceOp::sum);
  const auto found = evaluator.evaluate(*evaluator.prove(*test::plan_on(machine, "forest", CollectiveKind::all_reduce), false), payload);
  ASSERT_TRUE(found) << describe(found.error());
  EXPECT_GT(found->program.blocks(), 64);
  const auto& tuning = found->program.tuning;
  EXPECT_TRUE(tuning.slices > 1 || tuning.slice.count() > 0);
}

// Programs that were timed are remembered: each has its own time all the same, the second time too, and by the ends of the profile's intervals, a
// twentieth wider for what the model leaves out.
TEST(Evaluator, SaysOfEveryProgramWhatTheSimulatorSays) {
  const auto machine = test::one_switch(4);
  const auto profile = *load_profile(P2PLAB_SOURCE_DIR "/profiles/h200.yaml");
  const Evaluator evaluator(machine, profile);
  const auto time = [&](const Program& program, const Profile& costs) { return to_seconds(simulate(machine, program, costs)->makespan); };
  for (int turn = 0; turn < 2; ++turn) {
    for (const auto* planner : {"ring", "two_shot"}) {
      const auto plan = *test::plan_on(machine, planner, CollectiveKind::all_reduce);
      const auto proof = *verify(machine, plan.schedule);
      for (const std::int64_t elements : {4096, 8192}) {
        for (const int parts : {1, 2}) {
          const auto program =
              *lower(plan.schedule, proof, {.elements = elements, .type = DataType::float16}, {.blocks_per_lane = parts, .slice = 1_KiB});
          EXPECT_EQ(*evaluator.time(program), time(program, profile)) << planner << elements << parts;
          const auto interval = *evaluator.predict(program)->interval;
          EXPECT_NEAR(interval.low / time(program, fastest(profile)), 0.95, 1e-9);
          EXPECT_NEAR(interval.high / time(program, slowest(profile)), 1.05, 1e-9);
        }
      }
    }
  }
}

// The link between two sockets is assumed: the interval reaches to where it is as slow, and as fast, as such a link can be.
TEST(Evaluator, IntervalsHoldWhatIsAssumedOfTheMachine) {
  const auto text = "GPU0 GPU1 CPU Affinity NUMA Affinity\nGPU0 X SYS 0-3 0\nGPU1 SYS X 4-7 1\n";
  const auto machine = import_smi(text, "x.txt", {.gpu = "l40s"})->topology;
  const auto answered = [&](Bandwidth rate) { return import_smi(text, "x.txt", {.gpu = "l40s", .socket_link = rate})->topology; };
  const Evaluator evaluator(machine);
  const auto plan = *test::plan_on(machine, "ring", CollectiveKind::all_reduce);
  const auto proof = *verify(machine, plan.schedule);
  const auto program = *lower(plan.schedule, proof, {.elements = 1 << 20, .type = DataType::float16}, {});
  const auto prediction = *evaluator.predict(program);
  ASSERT_TRUE(prediction.interval);
  EXPECT_NEAR(prediction.interval->high / *Evaluator(answered(GBps(6))).time(program), 1.05, 1e-9);
  EXPECT_NEAR(prediction.interval->low / *Evaluator(answered(GBps(256))).time(program), 0.95, 1e-9);
  EXPECT_FALSE(Evaluator(answered(GBps(20))).predict(program)->interval);
}

// What is found does not hang on the limit: either nothing, or what is found without one.
TEST(Evaluate, FindsBelowALimitWhatItFindsWithoutOne) {
  const auto profile = *load_profile(P2PLAB_SOURCE_DIR "/profiles/a100.yaml");
  for (const auto& machine : {test::one_switch(4), *make_preset("hgx-a100", {{"nodes", "2"}})}) {
    for (const auto* planner : {"ring", "forest", "two_shot", "hierarchical"}) {
      const auto plan = test::plan_on(machine, planner, CollectiveKind::all_reduce);
      if (!plan) continue;
      for (const auto size : {64_KiB, 16_MiB}) {
        const auto payload = payload_of(size, DataType::float32, ReduceOp::sum);
        const Evaluator whole(machine, profile);
        const auto best = whole.evaluate(*whole.prove(*plan, false), payload);
        ASSERT_TRUE(best) << describe(best.error());
        const auto time = best->prediction.time;
        for (const double share : {0.5, 0.99, 0.9999, 1.0, 1.002, 1.006, 2.0}) {
          const Evaluator evaluator(machine, profile);  // that remembers nothing
          const auto below = evaluator.evaluate_below(time * share, *evaluator.prove(*plan, false), payload, std::function<bool()>{});
          ASSERT_TRUE(below) << describe(below.error());
          ASSERT_EQ(below->has_value(), share >= 1) << planner << " on " << machine.name() << ", " << share;
          if (!*below) continue;
          EXPECT_EQ((*below)->prediction.time, time);
          EXPECT_EQ((*below)->program.tuning.slice, best->program.tuning.slice);
          EXPECT_EQ((*below)->program.tuning.blocks_per_lane, best->program.tuning.blocks_per_lane);
          EXPECT_EQ((*below)->program.tuning.protocol, best->program.tuning.protocol);
        }
      }
    }
  }
}

// A program whose bound is above the limit is not played; one that ends by then takes what it takes without a limit.
TEST(Evaluate, TimesAProgramUpToALimit) {
  const auto machine = test::one_switch(4);
  const Evaluator evaluator(machine);
  const auto payload = payload_of(1_MiB, DataType::float32, ReduceOp::sum);
  const auto program =
      evaluator.evaluate_as(*evaluator.prove(*test::plan_on(machine, "ring", CollectiveKind::all_reduce), false), payload, {})->program;
  const auto played = *evaluator.simulate(program, {});
  const auto bounded = *evaluator.simulate(program, {.useful = played.bound - SimTime{1}});
  EXPECT_EQ(bounded.makespan, played.bound);
  EXPECT_EQ(bounded.busiest, played.busiest);
  EXPECT_EQ(bounded.events, 0);
  EXPECT_EQ(evaluator.simulate(program, {.useful = played.makespan})->makespan, played.makespan);
  const Evaluator fresh(machine);
  EXPECT_FALSE(fresh.time_below(to_seconds(played.bound) * 0.999, program)->time);
  EXPECT_EQ(fresh.time_below(to_seconds(played.makespan), program)->time, to_seconds(played.makespan));
}

// What a planner says that none of its plans falls below.
TEST(Planners, TakeNoLessThanTheySay) {
  const auto payload = payload_of(8_MiB, DataType::float32, ReduceOp::sum);
  const auto planners = builtin_planners();
  int said = 0;
  for (const auto& machine : {test::one_switch(5), *make_preset("torus", {{"dims", "3x3"}}), *make_preset("hgx-a100", {{"nodes", "2"}})}) {
    const Evaluator evaluator(machine);
    for (const auto& planner : planners.entries()) {
      for (const auto* trees : {"auto", "1"}) {
        Parameters parameters;
        if (planner.name == "tree") parameters["trees"] = trees;
        for (const auto kind : {CollectiveKind::all_reduce, CollectiveKind::all_gather, CollectiveKind::broadcast, CollectiveKind::all_to_all}) {
          const auto collective = make_collective(kind, machine.ranks());
          const auto complete = *complete_parameters(planner.name, planner.parameters, parameters);
          const auto least = planner.make()->least_time(machine, collective, {.payload = payload, .parameters = complete});
          const auto plan = test::plan_on(machine, planner.name, collective, parameters);
          if (!least || !plan) continue;
          ++said;
          const auto found = evaluator.evaluate(*evaluator.prove(*plan, false), payload);
          ASSERT_TRUE(found) << describe(found.error());
          EXPECT_LE(least->count() * (1 - 1e-6), found->prediction.time.count())
              << planner.name << " on " << machine.name() << ", " << to_string(kind);
        }
      }
    }
  }
  EXPECT_GT(said, 30);
}

}  // namespace
}  // namespace p2plab::evaluator_test
