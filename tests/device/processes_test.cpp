// SPDX-License-Identifier: Apache-2.0
// Programs on real GPUs, one process a GPU; skips itself aloud where there are not two. Nothing here uses CUDA before it forks.
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <chrono>

#include <gtest/gtest.h>

#include "p2plab/program/lower.h"
#include "p2plab/run/gpu_tuning.h"
#include "p2plab/run/processes.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::processes_test {
namespace {

std::vector<Status> outcomes_of(int ranks, const std::function<Status(Session&)>& body) {
  auto outcomes = run_processes({.ranks = ranks}, body);
  EXPECT_TRUE(outcomes) << describe(outcomes.error());
  return *std::move(outcomes);
}

// An all-reduce of `elements` half numbers in the process of `session`; wrong data is an error.
Status run_one(Session& session, const std::string& planner, std::int64_t elements, const RunOptions& options) {
  const auto machine = test::one_switch(session.ranks());
  const auto plan = test::plan_on(machine, planner, CollectiveKind::all_reduce);
  if (!plan) return plan.error();
  const auto proof = verify(machine, plan->schedule);
  if (!proof) return proof.error();
  const Payload payload{.elements = elements, .type = DataType::float16};
  const auto program = lower(plan->schedule, *proof, payload, gpu_tuning(plan->schedule, *proof, payload));
  if (!program) return program.error();
  const auto measured = cuda_processes(session)->run({&machine, &*plan, &*program}, options);
  if (!measured) return measured.error();
  if (!measured->check->passed) return Error{ErrorCode::verification_failed, measured->check->first_wrong};
  if (static_cast<int>(measured->samples.size()) != options.repeats) return Error{ErrorCode::device_failure, "not as many samples as asked for"};
  return {};
}

// As many GPUs as are here and reach each other, at most four; why there are not two otherwise.
Result<int> ranks_here() {
  Error last{ErrorCode::no_device, ""};
  for (int ranks = 4; ranks >= 2; --ranks) {
    const auto outcomes = outcomes_of(ranks, [](Session& session) { return run_one(session, "one_shot", 64, {.warmup = 0, .repeats = 0}); });
    if (outcomes.front()) return ranks;
    last = outcomes.front().error();
    for (const auto& outcome : outcomes) {
      EXPECT_FALSE(outcome) << "all ranks return the error or none does";
      if (outcome) continue;
      EXPECT_EQ(outcome.error().message, last.message);
    }
  }
  return last;
}

TEST(CudaProcesses, DataIsRightAndTimesComeInEveryForm) {
  const auto ranks = ranks_here();
  if (!ranks) GTEST_SKIP() << ranks.error().message;
  for (const auto& outcome : outcomes_of(*ranks, [](Session& session) -> Status {
         for (const auto* planner : {"one_shot", "two_shot", "ring"}) {
           for (const std::int64_t elements : {1, 4099, 300'017, 30'000'001}) {
             if (auto done = run_one(session, planner, elements, {.warmup = 1, .repeats = 3}); !done) return done;
           }
         }
         return {};
       })) {
    EXPECT_TRUE(outcome) << describe(outcome.error());
  }
}

TEST(CudaProcesses, AKilledOneEndsTheOthersWithinThreeSecondsByNameAndTheNextRunWorks) {
  const auto ranks = ranks_here();
  if (!ranks) GTEST_SKIP() << ranks.error().message;
  const auto victim = *ranks - 1;
  const auto outcomes = outcomes_of(*ranks, [&](Session& session) -> Status {
    for (int call = 0;; ++call) {
      if (session.rank() == victim && call == 2) kill(getpid(), SIGKILL);
      const auto start = std::chrono::steady_clock::now();
      if (auto done = run_one(session, "ring", 1'000'000, {.warmup = 1, .repeats = 20}); !done) {
        auto error = std::move(done).error();
        if (std::chrono::steady_clock::now() - start > std::chrono::seconds{3}) error.message += " TOO LATE";
        return error;
      }
    }
  });
  for (int r = 0; r < *ranks; ++r) {
    const auto& outcome = outcomes[static_cast<std::size_t>(r)];
    ASSERT_FALSE(outcome);
    EXPECT_NE(outcome.error().message.find("rank " + std::to_string(victim)), std::string::npos) << outcome.error().message;
    EXPECT_EQ(outcome.error().message.find("TOO LATE"), std::string::npos);
  }
  for (const auto& outcome : outcomes_of(*ranks, [](Session& session) { return run_one(session, "ring", 1'000'000, {.warmup = 1, .repeats = 3}); })) {
    EXPECT_TRUE(outcome) << describe(outcome.error());
  }
}

// In the middle of a call: the others' kernels wait for a rank that will never come. Its death is known beforehand, by a clock that all processes
// share.
TEST(CudaProcesses, AKillAmidACallEndsTheKernelsThatWait) {
  const auto ranks = ranks_here();
  if (!ranks) GTEST_SKIP() << ranks.error().message;
  const auto victim = *ranks - 1;
  using Clock = std::chrono::steady_clock;
  auto* const death = static_cast<std::atomic<Clock::rep>*>(
      mmap(nullptr, sizeof(std::atomic<Clock::rep>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(static_cast<void*>(death), MAP_FAILED);
  const auto outcomes = outcomes_of(*ranks, [&](Session& session) -> Status {
    if (session.rank() == victim) {
      constexpr unsigned seconds = 2;
      *death = (Clock::now() + std::chrono::seconds{seconds}).time_since_epoch().count();
      alarm(seconds);  // SIGALRM ends it, whatever it does then
    }
    for (;;) {
      if (auto done = run_one(session, "ring", 20'000'000, {.warmup = 1, .repeats = 200}); !done) {
        auto error = std::move(done).error();
        const auto late = Clock::now() - Clock::time_point{Clock::duration{death->load()}};
        if (late > std::chrono::seconds{3}) error.message += " TOO LATE";
        return error;
      }
    }
  });
  munmap(death, sizeof *death);
  for (int r = 0; r < *ranks; ++r) {
    ASSERT_FALSE(outcomes[static_cast<std::size_t>(r)]);
    const auto& message = outcomes[static_cast<std::size_t>(r)].error().message;
    EXPECT_NE(message.find("rank " + std::to_string(victim)), std::string::npos) << message;
    EXPECT_EQ(message.find("TOO LATE"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace p2plab::processes_test
