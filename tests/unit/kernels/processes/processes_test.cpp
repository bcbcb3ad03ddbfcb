// SPDX-License-Identifier: Apache-2.0
// Real processes: what they exchange, how they agree, that data comes out right across them, and that the end of one is the end of all, soon and with
// a name.
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <future>

#include <gtest/gtest.h>

#include "p2plab/plan/builtin_planners.h"
#include "p2plab/program/lower.h"
#include "p2plab/run/processes.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::processes_test {
namespace {

Error failed(std::string message) { return Error{ErrorCode::device_failure, std::move(message)}; }

std::vector<Status> outcomes_of(const LaunchOptions& options, const std::function<Status(Session&)>& body) {
  auto outcomes = run_processes(options, body);
  EXPECT_TRUE(outcomes) << describe(outcomes.error());
  return outcomes ? *std::move(outcomes) : std::vector<Status>{};
}

void expect_all_good(const std::vector<Status>& outcomes, std::size_t ranks) {
  EXPECT_EQ(outcomes.size(), ranks);
  for (const auto& outcome : outcomes) EXPECT_TRUE(outcome) << describe(outcome.error());
}

// One collective of `elements` floats by a planner, in the process of `session`.
Result<Measurement> run_collective(Session& session, CollectiveKind kind, const std::string& planner, std::int64_t elements,
                                   const RunOptions& options) {
  const auto machine = test::one_switch(session.ranks());
  auto plan = test::plan_on(machine, planner, kind);
  if (!plan) return std::move(plan).error();
  const auto proof = verify(machine, plan->schedule);
  if (!proof) return proof.error();
  const Payload payload{.elements = elements, .type = DataType::float32};
  const auto program = lower(plan->schedule, *proof, payload, {.blocks_per_lane = 2, .slice = 4_KiB});
  if (!program) return program.error();
  return host_processes(session)->run({&machine, &*plan, &*program}, options);
}

Status right(const Result<Measurement>& measured) {
  if (!measured) return measured.error();
  if (!measured->check || !measured->check->passed) return failed("wrong data: " + (measured->check ? measured->check->first_wrong : "unchecked"));
  return {};
}

TEST(Processes, EachIsOfItsOwnAndEverybodysMessageComesByRank) {
  expect_all_good(outcomes_of({.ranks = 5},
                              [](Session& session) -> Status {
                                for (int round = 0; round < 50; ++round) {
                                  const auto all = session.all_gather(std::to_string(session.rank() * 1000 + round));
                                  if (!all) return all.error();
                                  for (int r = 0; r < session.ranks(); ++r) {
                                    if ((*all)[static_cast<std::size_t>(r)] != std::to_string(r * 1000 + round)) return failed("not what rank sent");
                                  }
                                }
                                const auto numbers = session.all_gather(std::to_string(getpid()));
                                if (!numbers || (*numbers)[0] == (*numbers)[1]) return failed("two ranks in one process");
                                return {};
                              }),
                  5);
}

TEST(Processes, FilesThatAreSharedAreTheSameFile) {
  expect_all_good(outcomes_of({.ranks = 3},
                              [](Session& session) -> Status {
                                std::array<int, 2> pipe_ends{};
                                if (pipe(pipe_ends.data()) != 0) return failed("no pipe");
                                const auto files = session.share(pipe_ends[1]);
                                if (!files) return files.error();
                                const auto next = (static_cast<std::size_t>(session.rank()) + 1) % 3;
                                const char mine = static_cast<char>('a' + session.rank());
                                if (write((*files)[next].get(), &mine, 1) != 1) return failed("cannot write to the next rank's pipe");
                                char got = 0;
                                if (read(pipe_ends[0], &got, 1) != 1 || got != 'a' + (session.rank() + 2) % 3)
                                  return failed("not from the rank before");
                                return {};
                              }),
                  3);
}

TEST(Agreement, IsTheSameWordForAllAndNamesTheFirstRankThatCannot) {
  EXPECT_TRUE(agree({{"1", "a", ""}, {"1", "a", ""}}));
  const auto build = agree({{"1", "a", ""}, {"1", "a", ""}, {"2", "a", ""}});
  ASSERT_FALSE(build);
  EXPECT_EQ(build.error().message, "rank 2 is p2plab 2, rank 0 is p2plab 1");
  const auto program = agree({{"1", "a", "no GPU"}, {"1", "b", ""}});
  ASSERT_FALSE(program);
  EXPECT_EQ(program.error().message, "rank 1 is to run another program than rank 0");
  const auto obstacle = agree({{"1", "a", ""}, {"1", "a", "no GPU"}, {"1", "a", "no memory"}});
  ASSERT_FALSE(obstacle);
  EXPECT_EQ(obstacle.error().message, "rank 1: no GPU");
  EXPECT_EQ(obstacle.error().code, ErrorCode::unsupported);
}

TEST(Agreement, AnObstacleOfOneRankTurnsAllBackWithTheSameReason) {
  const auto outcomes = outcomes_of({.ranks = 4}, [](Session& session) {
    return agree(session, {"1", "a", session.rank() == 2 ? "no peer access" : ""});
  });
  ASSERT_EQ(outcomes.size(), 4U);
  for (const auto& outcome : outcomes) {
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().message, "rank 2: no peer access");
  }
}

TEST(Agreement, AnotherVersionOfTheProtocolIsRefusedByAll) {
  const auto outcomes = outcomes_of({.ranks = 3, .version_of_last_rank = 9}, [](Session& session) { return session.barrier(); });
  ASSERT_EQ(outcomes.size(), 3U);
  for (const auto& outcome : outcomes) {
    ASSERT_FALSE(outcome);
    EXPECT_NE(outcome.error().message.find("rank 2 speaks version 9 of the protocol, the others version 4"), std::string::npos)
        << outcome.error().message;
  }
}

TEST(HostProcesses, EveryPlannersDataIsRightAcrossProcesses) {
  struct Case {
    CollectiveKind kind;
    const char* planner;
  };
  for (const int ranks : {1, 2, 3, 5}) {
    expect_all_good(
        outcomes_of({.ranks = ranks},
                    [](Session& session) -> Status {
                      for (const auto& [kind, planner] : {Case{CollectiveKind::all_reduce, "ring"}, Case{CollectiveKind::all_reduce, "two_shot"},
                                                          Case{CollectiveKind::all_gather, "one_shot"}, Case{CollectiveKind::broadcast, "tree"},
                                                          Case{CollectiveKind::all_to_all, "pairwise"}}) {
                        for (const std::int64_t elements : {0, 1, 4099}) {
                          auto done = right(run_collective(session, kind, planner, elements, {.warmup = 1, .repeats = 2}));
                          if (!done && done.error().code != ErrorCode::unsupported) return done;
                        }
                      }
                      return {};
                    }),
        static_cast<std::size_t>(ranks));
  }
}

TEST(HostProcesses, RanksThatMeanDifferentProgramsAllRefuse) {
  const auto outcomes = outcomes_of({.ranks = 3}, [](Session& session) -> Status {
    return right(run_collective(session, CollectiveKind::all_reduce, "ring", session.rank() == 1 ? 100 : 200, {}));
  });
  for (const auto& outcome : outcomes) {
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().message, "rank 1 is to run another program than rank 0");
  }
}

// Kills rank 2 of 4 while all run the same collective over and over.
std::vector<Status> run_and_kill() {
  return outcomes_of({.ranks = 4}, [](Session& session) -> Status {
    for (int call = 0;; ++call) {
      if (session.rank() == 2 && call == 3) kill(getpid(), SIGKILL);
      if (auto done = right(run_collective(session, CollectiveKind::all_reduce, "ring", 5000, {.warmup = 0, .repeats = 3})); !done) return done;
    }
  });
}

TEST(KilledProcess, EndsAllOthersWithinThreeSecondsByNameAndTheNextRunWorks) {
  for (int again = 0; again < 2; ++again) {
    const auto start = std::chrono::steady_clock::now();
    const auto outcomes = run_and_kill();
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds{3});
    ASSERT_EQ(outcomes.size(), 4U);
    for (const auto& outcome : outcomes) {
      ASSERT_FALSE(outcome);
      EXPECT_NE(outcome.error().message.find("rank 2"), std::string::npos) << outcome.error().message;
      EXPECT_NE(outcome.error().message.find("was killed by signal 9"), std::string::npos) << outcome.error().message;
    }
  }
  expect_all_good(
      outcomes_of({.ranks = 4}, [](Session& session) { return right(run_collective(session, CollectiveKind::all_reduce, "ring", 5000, {})); }), 4);
}

// Each of those that listen, and none that has ceased to.
TEST(KilledProcess, IsHeardOfByEveryListener) {
  const auto outcomes = outcomes_of({.ranks = 2}, [](Session& session) -> Status {
    std::array<std::promise<void>, 2> heard;
    std::atomic<bool> ceased{false};
    const auto first = session.on_loss([&] { heard[0].set_value(); });
    session.on_loss([&] { ceased = true; }).reset();
    const auto second = session.on_loss([&] { heard[1].set_value(); });
    // Not before rank 0 has ceased to listen. It may hear of the loss while it leaves the barrier, so its own answer is not looked at.
    if (session.barrier() && session.rank() == 1) kill(getpid(), SIGKILL);
    for (auto& one : heard) {
      if (one.get_future().wait_for(std::chrono::seconds{5}) != std::future_status::ready) return Error{ErrorCode::io, "a listener heard nothing"};
    }
    return ceased ? Status{Error{ErrorCode::io, "one heard that had ceased to listen"}} : Status{};
  });
  EXPECT_TRUE(outcomes[0]) << describe(outcomes[0].error());
}

TEST(StoppedProcess, IsNamedWhenTheTimeoutEndsAndIsNotLeftBehind) {
  const auto outcomes = outcomes_of({.ranks = 3, .timeout = Seconds{0.5}}, [](Session& session) -> Status {
    if (session.rank() == 1) raise(SIGSTOP);
    return session.barrier();
  });
  ASSERT_EQ(outcomes.size(), 3U);
  for (const std::size_t r : {0U, 2U}) {
    ASSERT_FALSE(outcomes[r]);
    EXPECT_NE(outcomes[r].error().message.find("rank 1"), std::string::npos);
    EXPECT_NE(outcomes[r].error().message.find("lives but kept the others waiting for 0.5 s"), std::string::npos) << outcomes[r].error().message;
  }
  EXPECT_FALSE(outcomes[1]);
}

TEST(FailedProcess, GivesItsReasonToThoseWhoWait) {
  const auto outcomes = outcomes_of({.ranks = 3}, [](Session& session) -> Status {
    if (session.rank() == 0) return failed("out of memory");
    return session.barrier();
  });
  ASSERT_EQ(outcomes.size(), 3U);
  EXPECT_EQ(outcomes[0].error().message, "out of memory");
  for (const std::size_t r : {1U, 2U}) EXPECT_EQ(outcomes[r].error().message, "rank 0: out of memory");
}

TEST(Launch, AJobHasOneTo1024Processes) {
  for (const int ranks : {0, 1025}) EXPECT_FALSE(run_processes({.ranks = ranks}, [](Session&) { return Status{}; }));
}

}  // namespace
}  // namespace p2plab::processes_test
