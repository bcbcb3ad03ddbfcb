// SPDX-License-Identifier: Apache-2.0
// The host executor gives right data for everything that the verifier proves.
#include <map>

#include <gtest/gtest.h>

#include "p2plab/machine/presets.h"
#include "p2plab/plan/builtin_planners.h"
#include "p2plab/program/check.h"
#include "p2plab/run/builtin_executors.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::host_test {
namespace {

struct Case {
  Payload payload;
  Tuning tuning;
  bool in_place = false;
};

class HostOracle : public ::testing::Test {
 protected:
  // Runs a plan if it is proved; counts it.
  void run(const Topology& machine, const Plan& plan, const Case& c) {
    const auto proof = verify(machine, plan.schedule, {.in_place = c.in_place});
    ASSERT_TRUE(proof) << plan.planner << ": " << describe(proof.error());
    const auto program = lower(plan.schedule, *proof, c.payload, c.tuning);
    ASSERT_TRUE(program) << describe(program.error());
    const auto checked = check(machine, *program);
    ASSERT_TRUE(checked) << plan.planner << ": " << describe(checked.error());
    const auto done = host->run({&machine, &plan, &*program}, {.warmup = 0, .repeats = 1, .threads = threads});
    ASSERT_TRUE(done) << describe(done.error());
    EXPECT_TRUE(done->check && done->check->passed)
        << plan.planner << ' ' << to_string(plan.schedule.collective().kind) << " ranks " << machine.ranks() << " elements " << c.payload.elements
        << ' ' << to_string(c.payload.type) << ' ' << to_string(c.payload.op) << " parts " << c.tuning.blocks_per_lane << " slice "
        << c.tuning.slice.count() << " slices " << c.tuning.slices << " in place " << c.in_place << ": "
        << (done->check ? done->check->first_wrong : "no check");
    ++programs;
  }

  PlanContext context(const Case& c) const { return {.payload = c.payload, .in_place = c.in_place}; }

  const Registry<Planner> planners = builtin_planners();
  const Registry<Executor> executors = builtin_executors();
  std::unique_ptr<Executor> host = executors.find("host")->make();
  int threads = 3;
  int programs = 0;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  const Tuning whole{};
  const Tuning sliced{.blocks_per_lane = 2, .slice = Bytes{64}};
  const Tuning fine{.blocks_per_lane = 3, .slice = Bytes{16}};
  const Tuning counted{.blocks_per_lane = 2, .slices = 5, .lane_per_step = true};
  for (const bool in_place : {false, true}) {
    all.push_back({{0, DataType::float32, ReduceOp::sum}, whole, in_place});
    all.push_back({{1, DataType::float16, ReduceOp::average}, fine, in_place});
    all.push_back({{8, DataType::bfloat16, ReduceOp::sum}, whole, in_place});
    all.push_back({{1021, DataType::float16, ReduceOp::sum}, sliced, in_place});
    all.push_back({{777, DataType::int8, ReduceOp::product}, fine, in_place});
    all.push_back({{333, DataType::float64, ReduceOp::max}, counted, in_place});
    all.push_back({{515, DataType::uint16, ReduceOp::average}, sliced, in_place});
  }
  return all;
}

TEST_F(HostOracle, EveryPlannersProvedPlansGiveRightData) {
  for (const int n : {1, 2, 3, 5, 8}) {
    const auto machine = test::one_switch(n);
    for (const auto& entry : planners.entries()) {
      const auto planner = entry.make();
      for (const auto kind : all_collective_kinds()) {
        std::map<bool, Result<Plan>> kept;  // of the larger machines: one for all payloads, one for use in place
        for (const auto& c : cases()) {
          if (n <= 3) kept.clear();
          if (!kept.contains(c.in_place)) kept.emplace(c.in_place, planner->plan(machine, make_collective(kind, n, Rank{n / 2}), context(c)));
          if (const auto& plan = kept.at(c.in_place)) run(machine, *plan, c);
        }
      }
    }
  }
  // One-shot alone plans all nine collectives.
  EXPECT_GE(programs, 5 * 9 * static_cast<int>(cases().size()));
}

TEST_F(HostOracle, AMillionOddBytesInManySlices) {
  const auto machine = test::one_switch(4);
  for (const auto& entry : planners.entries()) {
    for (const bool in_place : {false, true}) {
      const Case c{{1000003, DataType::uint8, ReduceOp::sum}, {.blocks_per_lane = 4, .slice = Bytes{4096}}, in_place};
      const auto plan = entry.make()->plan(machine, make_collective(CollectiveKind::all_reduce, 4), context(c));
      if (plan) run(machine, *plan, c);
    }
  }
  EXPECT_GE(programs, 2);
}

TEST_F(HostOracle, UnevenSharesSilentMembersAndGroups) {
  const auto machine = test::one_switch(6);
  for (const auto kind : {CollectiveKind::all_gather, CollectiveKind::reduce_scatter, CollectiveKind::all_reduce, CollectiveKind::scatter}) {
    Collective collective{.kind = kind, .members = {Rank{4}, Rank{1}, Rank{2}}, .root = Rank{1}, .silent = {Rank{2}}};
    if (kind != CollectiveKind::all_reduce) collective.shares = {3, 0, 5};
    for (const auto& entry : planners.entries()) {
      for (const auto& c : cases()) {
        const auto plan = entry.make()->plan(machine, collective, context(c));
        if (plan) run(machine, *plan, c);
      }
    }
  }
  EXPECT_GE(programs, 4 * static_cast<int>(cases().size()));
}

// Trees of different weights: as many slices of each, on lanes of their own.
TEST_F(HostOracle, LightAndHeavyTreesInAsManySlices) {
  const auto machine = *make_preset("dgx-v100", {{"gpus", "7"}});
  const auto forest = planners.find("forest")->make();
  for (const auto kind : {CollectiveKind::all_gather, CollectiveKind::reduce_scatter, CollectiveKind::all_reduce}) {
    for (const bool in_place : {false, true}) {
      const Case c{{10'007, DataType::int32, ReduceOp::sum}, {.blocks_per_lane = 2, .slices = 7, .lane_per_step = true}, in_place};
      const auto plan = forest->plan(machine, make_collective(kind, machine.ranks()), context(c));
      ASSERT_TRUE(plan) << describe(plan.error());
      run(machine, *plan, c);
    }
  }
  EXPECT_EQ(programs, 6);
}

// A program of two pushes and two additions, to be spoilt.
struct Pushed {
  Topology machine;
  Plan plan;
  Program program;
};

Pushed pushed(std::int64_t elements) {
  const auto machine = test::one_switch(2);
  const auto planners = builtin_planners();
  const Payload payload{elements, DataType::float32, ReduceOp::sum};
  const PlanContext context{.payload = payload, .parameters = {{"mode", "push"}}};
  auto plan = *planners.find("one_shot")->make()->plan(machine, make_collective(CollectiveKind::all_reduce, 2), context);
  auto program = *lower(plan.schedule, *verify(machine, plan.schedule), payload, {.slice = Bytes{64}});
  return {machine, std::move(plan), std::move(program)};
}

TEST_F(HostOracle, AProgramWhoseLanesWaitForEachOtherEndsInAnErrorThatNamesThem) {
  auto p = pushed(100);
  // The first instruction of lane 0 now waits for the last of all lanes, which waits for it.
  const auto last = static_cast<std::int64_t>(p.program.lanes.size()) - 1;
  auto& first = p.program.instructions[p.program.lanes[0].first];
  first.waits = static_cast<std::uint32_t>(p.program.waits.size());
  first.wait_count = 1;
  p.program.waits.push_back({LaneId{last}, static_cast<std::int32_t>(p.program.lanes.back().count) - 1});
  const auto done = host->run({&p.machine, &p.plan, &p.program}, {.warmup = 0, .repeats = 1, .threads = 2});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::device_failure);
  EXPECT_EQ(done.error().message.substr(0, 63), "no progress: rank 0 lane 0 part 0 waits in instruction 0 (step ");
}

TEST_F(HostOracle, WrongDataIsReportedNotPassed) {
  auto p = pushed(100);
  p.program.instructions[p.program.lanes.back().first].bytes -= 4;
  const auto done = host->run({&p.machine, &p.plan, &p.program}, {.warmup = 0, .repeats = 1});
  ASSERT_TRUE(done);
  EXPECT_FALSE(done->check->passed);
  EXPECT_EQ(done->check->wrong, 1);
  EXPECT_EQ(done->check->first_wrong.substr(0, 18), "rank 1 output[99]:");
}

TEST_F(HostOracle, MoreMemoryThanTheLimitIsRefusedBeforeItIsAllocated) {
  const auto p = pushed(std::int64_t{1} << 40);
  const auto done = host->run({&p.machine, &p.plan, &p.program}, {});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::unsupported);
  EXPECT_EQ(done.error().message, "the host executor would need 25165824 MiB for the buffers of 2 ranks; its limit is 2048 MiB");
}

TEST_F(HostOracle, RepeatsAreTimedWarmUpsAreNot) {
  const auto p = pushed(1000);
  const auto done = host->run({&p.machine, &p.plan, &p.program}, {.warmup = 2, .repeats = 3});
  ASSERT_TRUE(done);
  EXPECT_EQ(done->samples.size(), 3U);
  EXPECT_EQ(done->clock, Clock::host);
  for (const auto sample : done->samples) EXPECT_GT(sample.count(), 0);
  EXPECT_TRUE(done->check->passed);
}

}  // namespace
}  // namespace p2plab::host_test
