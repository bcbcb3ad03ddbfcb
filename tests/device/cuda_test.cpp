// SPDX-License-Identifier: Apache-2.0
// Programs on real GPUs; skips itself aloud where there are none.
#include <gtest/gtest.h>

#include "p2plab/program/lower.h"
#include "p2plab/run/builtin_executors.h"
#include "p2plab/run/gpu_tuning.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::cuda_test {
namespace {

// Runs a planner's collective of `elements` half numbers by an executor.
Result<Measurement> run(const std::string& executor, const std::string& planner, CollectiveKind kind, int ranks, std::int64_t elements, bool tuned) {
  const auto machine = test::one_switch(ranks);
  const auto plan = *test::plan_on(machine, planner, kind);
  const auto proof = *verify(machine, plan.schedule);
  const Payload payload{.elements = elements, .type = DataType::float16};
  const auto program =
      *lower(plan.schedule, proof, payload, tuned ? gpu_tuning(plan.schedule, proof, payload) : Tuning{.blocks_per_lane = 2, .slice = 4_KiB});
  const auto executors = builtin_executors();
  return executors.find(executor)->make()->run({&machine, &plan, &program}, {.warmup = 1, .repeats = 3});
}

TEST(CudaExecutor, SaysWhyItCannotRunOrRunsWithRightDataAndTimes) {
  const auto executors = builtin_executors();
  for (const auto* name : {"cuda", "nccl"}) {
    const auto available = executors.find(name)->make()->available();
    if (available) continue;
    EXPECT_TRUE(available.error().code == ErrorCode::no_device || available.error().code == ErrorCode::not_built);
    EXPECT_FALSE(available.error().message.empty());
    GTEST_SKIP() << describe(available.error());
  }
  for (const std::string planner : {"one_shot", "two_shot", "ring"}) {
    for (const std::int64_t elements : {1, 4099, 3'000'017}) {
      for (const bool tuned : {false, true}) {
        const auto result = run("cuda", planner, CollectiveKind::all_reduce, 2, elements, tuned);
        if (!result && result.error().code == ErrorCode::unsupported) GTEST_SKIP() << describe(result.error());
        ASSERT_TRUE(result) << describe(result.error());
        EXPECT_TRUE(result->check->passed) << planner << ": " << result->check->first_wrong;
        EXPECT_EQ(result->samples.size(), 3U);
        EXPECT_EQ(result->clock, Clock::device);
      }
    }
  }
}

// Shares of three ranks begin at odd elements, and inputs at aligned ones: slices are shifted on their way.
TEST(CudaExecutor, MovesSharesThatBeginAtOddElements) {
  const auto executors = builtin_executors();
  const auto available = executors.find("cuda")->make()->available();
  if (!available) GTEST_SKIP() << describe(available.error());
  for (const auto kind : {CollectiveKind::all_gather, CollectiveKind::reduce_scatter, CollectiveKind::all_reduce}) {
    for (const std::string planner : {"ring", "two_shot"}) {
      for (const std::int64_t elements : {1'000'003, 33'554'432}) {
        const auto result = run("cuda", planner, kind, 3, elements, elements > 1'000'003);
        if (!result && result.error().code == ErrorCode::unsupported) GTEST_SKIP() << describe(result.error());
        ASSERT_TRUE(result) << describe(result.error());
        EXPECT_TRUE(result->check->passed) << planner << ", " << to_string(kind) << ": " << result->check->first_wrong;
      }
    }
  }
}

}  // namespace
}  // namespace p2plab::cuda_test
