// SPDX-License-Identifier: Apache-2.0
// What holds for every program: bounds, determinism, monotony, and clear errors for what cannot be simulated.
#include <gtest/gtest.h>

#include "p2plab/machine/routes.h"
#include "p2plab/simulator/simulated_executor.h"
#include "support/random_topology.h"
#include "support/simulated.h"

namespace p2plab::simulator_test {
namespace {

// Random machine, planner, collective, tuning; none if this planner cannot.
struct Trial {
  Topology machine;
  std::optional<Program> program;
};

bool every_way_leads_back(const Topology& machine) {
  const auto& routes = machine.routes();
  for (int a = 0; a < machine.ranks(); ++a) {
    for (int b = 0; b < a; ++b) {
      if (routes.connected(Rank{a}, Rank{b}) != routes.connected(Rank{b}, Rank{a})) return false;
    }
  }
  return true;
}

Trial trial(std::uint64_t seed) {
  test::RandomTopology random(seed);
  Trial result{random.make(), {}};
  const auto planners = builtin_planners();
  const auto& entry = planners.entries()[static_cast<std::size_t>(random.between(0, static_cast<int>(planners.entries().size()) - 1))];
  const auto kinds = all_collective_kinds();
  const auto kind = kinds[static_cast<std::size_t>(random.between(0, static_cast<int>(kinds.size()) - 1))];
  const auto plan = test::plan_on(result.machine, entry.name, kind);
  if (!plan) return result;
  Tuning tuning{
      .blocks_per_lane = random.between(1, 3), .slice = Bytes{random.between(0, 4) * 4096}, .protocol = static_cast<Protocol>(random.between(0, 3))};
  if (tuning.slice.count() == 0) tuning.slices = random.between(0, 9);
  tuning.lane_per_step = random.between(0, 1) == 1;
  // A sender by packets must hear that its reader has begun.
  if (!in_slices(tuning.protocol) && !every_way_leads_back(result.machine)) tuning.protocol = Protocol::simple;
  result.program = test::lowered(result.machine, plan->schedule, Bytes{random.between(0, 200'000)}, tuning);
  return result;
}

Topology changed(const Topology& machine, double bandwidth, double latency) {
  Topology::Builder builder(machine.name());
  for (const auto& node : machine.nodes()) builder.add_node(node);
  for (auto link : machine.links()) {
    link.bandwidth = Bandwidth::bytes_per_second(static_cast<std::int64_t>(static_cast<double>(link.bandwidth.bytes_per_second()) * bandwidth));
    link.latency *= latency;
    builder.add_link(link);
  }
  for (const auto& group : machine.groups()) builder.add_group(group);
  return test::built(std::move(builder));
}

TEST(Simulate, NeverBeatsItsBoundAndRepeatsItselfOnRandomMachines) {
  int simulated = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    const auto [machine, program] = trial(seed);
    if (!program) continue;
    ++simulated;
    for (const auto& profile : {Profile{}, test::busy_profile()}) {
      const auto first = simulate(machine, *program, profile, {.steps = true, .record = true});
      ASSERT_TRUE(first) << "seed " << seed << ": " << describe(first.error());
      const auto again = simulate(machine, *program, profile);
      ASSERT_TRUE(again);
      EXPECT_EQ(first->makespan, again->makespan) << seed;
      EXPECT_EQ(first->events, again->events) << seed;
      EXPECT_GE(first->makespan, first->bound) << seed;
      for (const auto& use : first->uses) EXPECT_LE(use.busy, first->makespan) << use.name;
    }
  }
  EXPECT_GT(simulated, 100);
}

// What ends by the limit is played as without one; what does not is given up, if at all, with a result that says so.
TEST(Simulate, ALimitChangesNothingThatEndsByThen) {
  int given_up = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const auto [machine, program] = trial(seed);
    if (!program) continue;
    for (const auto& profile : {Profile{}, test::busy_profile()}) {
      const auto whole = test::simulated(machine, *program, profile);
      const auto in_time = test::simulated(machine, *program, profile, {.useful = whole.makespan});
      EXPECT_TRUE(in_time.played) << seed;
      EXPECT_EQ(in_time.makespan, whole.makespan) << seed;
      EXPECT_EQ(in_time.events, whole.events) << seed;
      const auto late = test::simulated(machine, *program, profile, {.useful = whole.makespan - SimTime{1}});
      EXPECT_EQ(late.makespan, late.played ? whole.makespan : whole.bound) << seed;
      given_up += late.played ? 0 : 1;
    }
  }
  EXPECT_GT(given_up, 0);
}

// A chain in which every link waits for the ones before: what the last one has left to do says it long before the end.
TEST(Simulate, GivesUpWhatHasTooMuchLeftToDo) {
  const auto machine = test::one_switch(16);
  const auto program = test::planned(machine, "ring", CollectiveKind::broadcast, 1_MiB, {}, {.slice = 4_KiB});
  const auto whole = test::simulated(machine, program, {}, {.skip = false});
  const auto useful = whole.makespan - 2 * test::one_us;
  ASSERT_GT(useful, whole.bound);
  const auto limited = test::simulated(machine, program, {}, {.skip = false, .useful = useful});
  EXPECT_FALSE(limited.played);
  EXPECT_EQ(limited.busiest, whole.busiest);
  EXPECT_EQ(limited.events, 0);
}

TEST(Simulate, MoreLatencyOrLessBandwidthNeverMakesARingFaster) {
  for (const int n : {2, 3, 5, 8}) {
    const auto machine = test::one_switch(n);
    const auto program = test::planned(machine, "ring", CollectiveKind::all_reduce, 1_MiB, {}, {.blocks_per_lane = 2, .slice = 8_KiB});
    const auto time = [&](double bandwidth, double latency) {
      return test::makespan(changed(machine, bandwidth, latency), program, test::busy_profile());
    };
    auto last = time(1, 1);
    for (const double slower : {0.9, 0.5, 0.1}) {
      EXPECT_GE(time(slower, 1), last);
      last = time(slower, 1);
    }
    last = time(1, 1);
    for (const double longer : {1.1, 2.0, 10.0}) {
      EXPECT_GE(time(1, longer), last);
      last = time(1, longer);
    }
  }
}

TEST(Simulate, TimesStepsInTheOrderOfTheirDependencies) {
  const auto machine = test::line(4);
  const auto result = test::simulated(machine, test::lowered(machine, test::chain(4), 1_MiB), {}, {.steps = true});
  ASSERT_EQ(result.steps.size(), 3U);
  EXPECT_EQ(result.steps[0].begin, SimTime{0});
  for (std::size_t s = 1; s < 3; ++s) EXPECT_EQ(result.steps[s].begin, result.steps[s - 1].end);
  EXPECT_EQ(result.steps[2].end, result.makespan);
}

TEST(Simulate, AnEmptyProgramTakesItsLaunch) {
  const auto machine = test::one_switch(4);
  const auto program = test::lowered(machine, test::chain(4), Bytes{0});
  EXPECT_EQ(test::makespan(machine, program), SimTime{0});
  EXPECT_EQ(test::makespan(machine, program, {.launch = Seconds{7e-6}}), SimTime{7'000'000});
}

TEST(Simulate, ReadsBackWhatALaneWroteOnlyOnceItIsThere) {
  const auto machine = test::line(2);
  auto builder = *Schedule::Builder::create(make_collective(CollectiveKind::broadcast, 2), 2);
  const auto c = builder.add_chunk({});
  builder.copy(Rank{1}, input(Rank{0}, c), scratch(Rank{1}, 0));    // rank 1 pulls,
  builder.copy(Rank{1}, scratch(Rank{1}, 0), scratch(Rank{0}, 0));  // hands back,
  builder.copy(Rank{1}, scratch(Rank{0}, 0), output(Rank{1}, c));   // and pulls again: three trips, one after another
  builder.copy(Rank{0}, input(Rank{0}, c), output(Rank{0}, c));
  const auto program = test::lowered(machine, *std::move(builder).build(), 1_KiB);
  EXPECT_EQ(test::makespan(machine, program), 3 * (test::one_us + test::at_rate(1024, 25)));
}

TEST(Simulate, RefusesProgramsThatDoNotFit) {
  const auto machine = test::line(4);
  auto program = test::lowered(machine, test::chain(4), 1_KiB);
  const auto message = [](const Topology& topology, const Program& wrong, const Profile& profile = {}) {
    const auto result = simulate(topology, wrong, profile);
    return result ? std::string{"no error"} : result.error().message;
  };
  EXPECT_EQ(message(test::line(3), program), "the program is for 4 ranks, topology 'mesh' has 3");
  EXPECT_EQ(message(test::meshed(4, {{0, 1, 1}, {2, 3, 1}}), program), "rank 1 cannot write to rank 2 on 'mesh' (step 1): there is no path");
  EXPECT_EQ(message(test::meshed(4, {{0, 1, 1}, {1, 2, 1}, {2, 3, 1}}, Bandwidth::bytes_per_second(1)),
                    test::lowered(machine, test::chain(4), Bytes{std::int64_t{1} << 40})),
            "the simulated time exceeds 26 days; check bandwidths and sizes");
  EXPECT_EQ(message(machine, program, {.launch = Seconds{-1}}), "profile 'ideal': launch must be from 0 to 1 s, found -1 s");
  auto circle = program;
  circle.waits = {{LaneId{1}, 0}, {LaneId{0}, 0}};
  circle.instructions[0].waits = 0;
  circle.instructions[1].waits = 1;
  circle.instructions[0].wait_count = circle.instructions[1].wait_count = 1;
  circle.instructions[2].wait_count = 0;
  EXPECT_EQ(message(machine, circle), "the program never ends: lanes wait for each other in a circle");
  auto astray = program;
  astray.operands[0].rank = Rank{9};
  EXPECT_EQ(message(machine, astray), "lane 0, instruction 0 (step 0, rank 0): there is no rank 9");
  auto torn = program;
  torn.lanes.pop_back();
  EXPECT_EQ(message(machine, torn), "the lanes hold 2 instructions, the program 3");
}

TEST(SimulatedExecutor, GivesOneSampleOfTheSimulatedClock) {
  const auto machine = test::one_switch(4);
  auto plan = *test::plan_on(machine, "ring", CollectiveKind::all_reduce);
  const auto program = test::lowered(machine, plan.schedule, 1_MiB);
  const auto executor = executors::simulator(test::busy_profile()).make();
  ASSERT_TRUE(executor->available());
  const auto measurement = executor->run({.topology = &machine, .plan = &plan, .program = &program}, {});
  ASSERT_TRUE(measurement);
  EXPECT_EQ(measurement->clock, Clock::simulated);
  EXPECT_FALSE(measurement->check);
  EXPECT_EQ(measurement->samples, (std::vector{to_seconds(test::makespan(machine, program, test::busy_profile()))}));
}

}  // namespace
}  // namespace p2plab::simulator_test
