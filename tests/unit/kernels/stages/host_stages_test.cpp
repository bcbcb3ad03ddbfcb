// SPDX-License-Identifier: Apache-2.0
// Plans for several servers, run: processes of one server share memory, those of two exchange messages; data is right, and a rank that is lost ends
// all others with its name.
#include <signal.h>
#include <unistd.h>

#include <chrono>

#include <gtest/gtest.h>

#include "p2plab/plan/builtin_planners.h"
#include "p2plab/program/lower.h"
#include "p2plab/run/processes.h"
#include "stages/server_session.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::host_stages_test {
namespace {

struct Servers2d {
  int count = 2;
  int size = 2;
};

struct Case {
  std::string planner;
  CollectiveKind kind = CollectiveKind::all_reduce;
  Payload payload = {};
  bool in_place = false;
};

Result<Measurement> run_case(Executor& executor, const Topology& machine, const Case& one, const RunOptions& options) {
  PlanContext context;
  context.in_place = one.in_place;
  const auto plan = test::plan_on(machine, one.planner, make_collective(one.kind, machine.ranks()), {}, context);
  if (!plan) return plan.error();
  const auto proof = verify(machine, plan->schedule, {.in_place = one.in_place});
  if (!proof) return proof.error();
  const auto program = lower(plan->schedule, *proof, one.payload, {.blocks_per_lane = 2, .slice = 4_KiB});
  if (!program) return program.error();
  return executor.run({&machine, &*plan, &*program}, options);
}

// Runs all cases on servers of so many processes; a case that cannot be planned is left out. How many were right.
std::vector<Status> run_all(const Servers2d& servers, const std::vector<Case>& cases, int at_least) {
  auto outcomes = run_processes({.ranks = servers.count * servers.size}, [&](Session& session) -> Status {
    const auto machine = test::servers(servers.count, servers.size);
    const auto executor = host_processes(session);
    int right = 0;
    for (const auto& one : cases) {
      const auto measured = run_case(*executor, machine, one, {.warmup = 1, .repeats = 1});
      if (!measured && measured.error().code == ErrorCode::unsupported) continue;
      if (!measured) return measured.error();
      if (!measured->check || !measured->check->passed)
        return Error{ErrorCode::verification_failed, one.planner + " " + std::string{to_string(one.kind)} + ": " + measured->check->first_wrong};
      ++right;
    }
    if (right >= at_least) return {};
    return Error{ErrorCode::verification_failed, "only " + std::to_string(right) + " cases ran"};
  });
  EXPECT_TRUE(outcomes);
  return outcomes ? *std::move(outcomes) : std::vector<Status>{};
}

void expect_all_good(const std::vector<Status>& outcomes) {
  for (const auto& outcome : outcomes) EXPECT_TRUE(outcome) << describe(outcome.error());
}

std::vector<Case> all_cases(std::initializer_list<const char*> planners, std::initializer_list<Payload> payloads) {
  std::vector<Case> cases;
  for (const auto* planner : planners) {
    for (const auto kind : all_collective_kinds()) {
      bool in_place = false;
      for (const auto& payload : payloads) cases.push_back({planner, kind, payload, in_place = !in_place});
    }
  }
  return cases;
}

TEST(HostStages, EveryPlannersDataIsRightOnTwoServersOfTwo) {
  const auto cases = all_cases({"ring", "tree", "hierarchical", "one_shot", "two_shot", "pairwise", "forest", "flow"},
                               {{.elements = 4099, .type = DataType::float32}, {.elements = 37, .type = DataType::float16}});
  expect_all_good(run_all({2, 2}, cases, 40));
}

TEST(HostStages, OddServersAndSizesAreRight) {
  const auto cases = all_cases({"ring", "hierarchical", "forest"}, {{.elements = 1}, {.elements = 20011, .type = DataType::int8}});
  for (const auto& [count, size] : {Servers2d{2, 1}, {3, 1}, {4, 1}, {3, 2}}) expect_all_good(run_all({count, size}, cases, 10));
}

TEST(HostStages, AveragesAndOtherOperationsAreRight) {
  std::vector<Case> cases;
  for (const auto op : {ReduceOp::average, ReduceOp::max, ReduceOp::product}) {
    for (const auto* planner : {"ring", "hierarchical", "two_shot"})
      cases.push_back({planner, CollectiveKind::all_reduce, {.elements = 999, .type = DataType::float32, .op = op}});
  }
  expect_all_good(run_all({2, 2}, cases, 6));
}

// The ranks agree on the sentence, whoever sees the loss first.
TEST(HostStages, AKilledRankEndsAllWithItsName) {
  const auto begun = std::chrono::steady_clock::now();
  const auto outcomes = run_processes({.ranks = 4}, [&](Session& session) -> Status {
    const auto machine = test::servers(2, 2);
    const auto executor = host_processes(session);
    const Case one{"ring", CollectiveKind::all_reduce, {.elements = 1 << 16}};
    if (auto first = run_case(*executor, machine, one, {.warmup = 0, .repeats = 1}); !first) return first.error();
    if (session.rank() == 2) kill(getpid(), SIGKILL);
    const auto second = run_case(*executor, machine, one, {.warmup = 0, .repeats = 1});
    return second ? Status{} : Status{second.error()};
  });
  ASSERT_TRUE(outcomes);
  for (const auto& outcome : *outcomes) {
    ASSERT_FALSE(outcome);
    EXPECT_NE(outcome.error().message.find("rank 2 ("), std::string::npos) << outcome.error().message;
    EXPECT_NE(outcome.error().message.find("killed by signal 9"), std::string::npos) << outcome.error().message;
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(5));
}

TEST(HostStages, TheSecondRunAfterAnErrorOfTheProgramIsRight) {
  const auto outcomes = run_processes({.ranks = 2}, [](Session& session) -> Status {
    const auto machine = test::servers(2, 1);
    const auto executor = host_processes(session);
    const Case huge{"ring", CollectiveKind::all_reduce, {.elements = std::int64_t{1} << 30}};
    const auto refused = run_case(*executor, machine, huge, {.warmup = 0, .repeats = 1});
    if (refused || refused.error().message.find("the limit is 2048 MiB") == std::string::npos)
      return Error{ErrorCode::verification_failed, "a program of 8 GiB was not refused"};
    const auto right = run_case(*executor, machine, {"ring", CollectiveKind::all_reduce, {.elements = 5}}, {.warmup = 0, .repeats = 1});
    return right ? Status{} : Status{right.error()};
  });
  ASSERT_TRUE(outcomes);
  expect_all_good(*outcomes);
}

TEST(ServerPlaces, OneServerIsOneMachine) {
  const auto machine = test::servers(2, 2);
  const auto servers = servers_of(machine);
  EXPECT_TRUE(stages::check_places(servers, {"a", "a", "b", "b"}));
  EXPECT_TRUE(stages::check_places(servers, {"a", "a", "a", "a"}));
  const auto mixed = stages::check_places(servers, {"a", "b", "a", "b"});
  ASSERT_FALSE(mixed);
  EXPECT_NE(mixed.error().message.find("ranks 0 and 1 are of one server"), std::string::npos) << mixed.error().message;
}

}  // namespace
}  // namespace p2plab::host_stages_test
