// Programs on real GPUs; skips itself aloud where there are none.
#include <gtest/gtest.h>

#include "p2plab/builtin_executors.h"
#include "p2plab/gpu_tuning.h"
#include "p2plab/lower.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab {
namespace {

// Runs a planner's all-reduce of `elements` half numbers on two ranks by an executor.
Result<Measurement> run(const std::string& executor, const std::string& planner, std::int64_t elements, bool tuned) {
  const auto machine = testing::one_switch(2);
  const Routes routes(machine);
  const auto plan = *testing::plan_on(machine, planner, CollectiveKind::all_reduce);
  const auto proof = *verify(machine, routes, plan.schedule);
  const Payload payload{.elements = elements, .type = DataType::float16};
  const auto program = *lower(plan.schedule, proof, payload, tuned ? gpu_tuning(plan.schedule, payload) : Tuning{.parts = 2, .slice = 4_KiB});
  const auto executors = builtin_executors();
  return executors.find(executor)->make()->run({&machine, &routes, &plan, &program}, {.warmup = 1, .repeats = 3});
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
        const auto result = run("cuda", planner, elements, tuned);
        if (!result && result.error().code == ErrorCode::unsupported) GTEST_SKIP() << describe(result.error());
        ASSERT_TRUE(result) << describe(result.error());
        EXPECT_TRUE(result->check->passed) << planner << ": " << result->check->first_wrong;
        EXPECT_EQ(result->samples.size(), 3U);
        EXPECT_EQ(result->clock, Clock::device);
      }
    }
  }
}

}  // namespace
}  // namespace p2plab
