// SPDX-License-Identifier: Apache-2.0
// Faults put into what ranks recorded: each is named, with its rank; what is healthy is left alone.
#include <algorithm>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "monitor/explain.h"

namespace p2plab::monitor::explain_faults_test {
namespace {

constexpr std::uint64_t ms = 1'000'000;

LoggedCall call_of(std::uint64_t sequence, std::uint64_t begun) {
  return {.sequence = sequence,
          .kind = "all_reduce",
          .type = "float32",
          .op = "sum",
          .size = "1024 elements",
          .begun = begun,
          .ended = begun + ms,
          .finished = true};
}

// `calls` calls of each rank, one a millisecond, all over.
Logs healthy(int ranks, int calls, std::mt19937_64& random) {
  Logs logs;
  for (int rank = 0; rank < ranks; ++rank) {
    RankLog log{.communicator = 5, .name = "world", .rank = rank, .ranks = ranks, .pid = 100 + rank};
    for (int c = 0; c < calls; ++c) {
      const auto jitter = random() % (ms / 2);
      log.calls.push_back(call_of(static_cast<std::uint64_t>(c), 1000 * ms + static_cast<std::uint64_t>(c) * 3 * ms + jitter));
    }
    log.begun = static_cast<std::uint64_t>(calls);
    logs.ranks.push_back(std::move(log));
  }
  for (auto& log : logs.ranks) log.now = 1000 * ms + static_cast<std::uint64_t>(calls) * 3 * ms;
  return logs;
}

void wait(Logs& logs, std::uint64_t time) {
  for (auto& log : logs.ranks) log.now += time;
}

// All ranks are in their last call for 5 s.
void hang(Logs& logs) {
  for (auto& log : logs.ranks) {
    auto& last = log.calls.back();
    last.finished = false;
    last.ended = 0;
    last.blocking = true;
  }
  wait(logs, 5000 * ms);
}

void kill_rank(Logs& logs, RankLog& log) {
  hang(logs);
  log.state = ProcessState::gone;
}
void stop_rank(Logs& logs, RankLog& log) {
  hang(logs);
  log.state = ProcessState::stopped;
  log.calls.pop_back();
  --log.begun;
}
void call_another(Logs& logs, RankLog& log) {
  hang(logs);
  log.calls.back().kind = "all_gather";
  log.calls.back().op = "";
}
void call_another_size(Logs& logs, RankLog& log) {
  hang(logs);
  log.calls.back().size = "1023 elements";
}
void swap_two_calls(Logs& logs, RankLog& log) {
  for (auto& each : logs.ranks) each.calls.back().kind = "all_gather";
  std::swap(log.calls.back().kind, log.calls[log.calls.size() - 2].kind);
}
void leave_out_the_last(Logs& logs, RankLog& log) {
  hang(logs);
  log.calls.pop_back();
  --log.begun;
}
void block_a_launch(Logs& logs, RankLog& log) {
  for (auto& each : logs.ranks) {
    for (auto& call : each.calls) call.stream = 7;
  }
  log.calls.back().finished = false;
  log.calls.back().blocking = true;
  wait(logs, 5000 * ms);
}
void come_late(Logs&, RankLog& log) {
  for (std::size_t c = 0; c < log.calls.size(); c += 4) log.calls[c].begun += 10 * ms;
}

struct Fault {
  Cause cause;
  void (*put)(Logs& logs, RankLog& log);
};

const std::vector<Fault>& faults() {
  static const std::vector<Fault> all{{Cause::rank_died, kill_rank},
                                      {Cause::rank_stopped, stop_rank},
                                      {Cause::different_collectives, call_another},
                                      {Cause::sizes_differ, call_another_size},
                                      {Cause::order_differs, swap_two_calls},
                                      {Cause::rank_is_late, leave_out_the_last},
                                      {Cause::launch_blocked, block_a_launch},
                                      {Cause::straggler, come_late}};
  return all;
}

TEST(ExplainFaults, EachFaultOfEachRankIsNamedFirst) {
  std::mt19937_64 random(1);
  int tried = 0;
  for (const auto& [cause, put] : faults()) {
    for (const int ranks : {2, 3, 4, 8}) {
      for (int rank = 0; rank < ranks; ++rank) {
        auto logs = healthy(ranks, 12 + rank, random);
        put(logs, logs.ranks[static_cast<std::size_t>(rank)]);
        const auto verdicts = explain(logs);
        ASSERT_FALSE(verdicts.empty()) << to_string(cause) << ", " << ranks << " ranks, rank " << rank;
        EXPECT_EQ(to_string(verdicts.front().cause), to_string(cause)) << explanation_text(logs, verdicts);
        // Of two ranks that differ none is the odd one.
        const bool even = ranks == 2 && (cause == Cause::different_collectives || cause == Cause::sizes_differ || cause == Cause::order_differs);
        EXPECT_EQ(verdicts.front().rank, even ? -1 : rank) << explanation_text(logs, verdicts);
        ++tried;
      }
    }
  }
  EXPECT_GE(tried, 100);
}

TEST(ExplainFaults, NothingIsSaidOfAThousandHealthyRuns) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 1000; ++i) {
    auto logs = healthy(1 + static_cast<int>(random() % 8), static_cast<int>(random() % 20), random);
    for (auto& log : logs.ranks) {
      if (i % 3 == 0) log.closed = true, log.state = ProcessState::ended;
      // Put on a stream: when it ends is not known, which is no fault.
      if (i % 3 == 1 && !log.calls.empty()) log.calls.back().finished = false, log.calls.back().ended = 0;
    }
    if (i % 3 == 1) wait(logs, 60'000 * ms);
    const auto verdicts = explain(logs);
    ASSERT_TRUE(verdicts.empty()) << i << ": " << explanation_text(logs, verdicts);
  }
}

TEST(ExplainFaults, ARankThatWasLateOnceOrLongAgoIsNoStraggler) {
  std::mt19937_64 random(5);
  auto once = healthy(4, 40, random);
  for (const std::size_t call : {0U, 20U}) once.ranks[2].calls[call].begun += 500 * ms;
  EXPECT_TRUE(explain(once).empty());
  auto often = healthy(4, 40, random);
  come_late(often, often.ranks[2]);
  ASSERT_EQ(explain(often, {.recent = Seconds{5}}).size(), 1U);
  EXPECT_EQ(explain(often, {.recent = Seconds{5}}).front().rank, 2);
  for (auto& log : often.ranks) log.now += 6000 * ms;
  EXPECT_TRUE(explain(often, {.recent = Seconds{5}}).empty());
  EXPECT_EQ(explain(often).size(), 1U);
}

TEST(ExplainFaults, AHangOfAllRanksIsNobodysAndAnErrorIsQuoted) {
  std::mt19937_64 random(3);
  auto logs = healthy(4, 5, random);
  hang(logs);
  logs.ranks[2].errors.push_back("rank 2 lane 1 block 0 step 3: rank 1 did not come within 2 s");
  const auto verdicts = explain(logs);
  ASSERT_EQ(verdicts.size(), 2U);
  EXPECT_EQ(verdicts[0].cause, Cause::reported_error);
  EXPECT_NE(verdicts[0].what.find("lane 1 block 0 step 3: rank 1"), std::string::npos);
  EXPECT_EQ(verdicts[1].cause, Cause::nobody_finishes);
  EXPECT_EQ(verdicts[1].rank, -1);
}

TEST(ExplainFaults, ALostLinkIsToldFirstAndOnceAndOneBesideOthersSaid) {
  std::mt19937_64 random(6);
  auto logs = healthy(4, 5, random);
  for (auto& log : logs.ranks) log.losses = {"no NVLink is left between GPU 0 (rank 1) and GPU 1 (rank 2)"};
  kill_rank(logs, logs.ranks[1]);
  const auto verdicts = explain(logs);
  ASSERT_EQ(verdicts.size(), 2U);
  EXPECT_TRUE(verdicts[0].cause == Cause::link_lost && verdicts[1].cause == Cause::rank_died);
  auto fewer = healthy(4, 40, random);
  fewer.ranks[2].weakenings = {"some NVLinks are down"};
  ASSERT_EQ(explain(fewer).size(), 1U);
  EXPECT_EQ(explain(fewer).front().cause, Cause::links_are_fewer);
}

TEST(ExplainFaults, TwoCommunicatorsInTwoOrdersAreNamedBoth) {
  std::mt19937_64 random(4);
  auto logs = healthy(2, 5, random);
  auto other = logs;
  for (auto& log : other.ranks) {
    log.communicator = 6;
    log.name = "tp";
    logs.ranks.push_back(log);
  }
  // Rank 0 waits in world, rank 1 in tp; each has yet to come to the other's.
  for (const std::size_t waits : {0U, 3U}) {
    auto& last = logs.ranks[waits].calls.back();
    last.finished = false;
    last.ended = 0;
    last.blocking = true;
    auto& absent = logs.ranks[waits == 0 ? 1 : 2];
    absent.calls.pop_back();
    --absent.begun;
  }
  wait(logs, 5000 * ms);
  const auto verdicts = explain(logs);
  ASSERT_FALSE(verdicts.empty());
  EXPECT_EQ(verdicts.front().cause, Cause::order_across_streams) << explanation_text(logs, verdicts);
  EXPECT_NE(verdicts.front().what.find("world and tp"), std::string::npos);
}

TEST(FlightRecords, OfPyTorchAreReadAndTheirDifferencesNamed) {
  Logs logs;
  const auto record = [](const std::string& last) {
    return R"({"version":"2.10","pg_config":{"0":{"name":"0","desc":"default_pg","ranks":"[0, 1, 2]"}},"entries":[
      {"process_group":["0","default_pg"],"collective_seq_id":1,"profiling_name":"nccl:all_reduce","input_sizes":[[4,8]],
       "input_dtypes":["BFloat16"],"state":"completed","time_created_ns":1000000000,"retired":true,"is_p2p":false},
      {"process_group":["0","default_pg"],"collective_seq_id":2,"profiling_name":")" +
           last +
           R"(","input_sizes":[[4,8]],"input_dtypes":["BFloat16"],"state":"scheduled","time_created_ns":1000005000,"retired":false,"is_p2p":false}]})";
  };
  for (int rank = 0; rank < 3; ++rank)
    ASSERT_TRUE(add_flight_record(logs, record(rank == 1 ? "nccl:_all_gather_base" : "nccl:all_reduce"), "trace_" + std::to_string(rank) + ".json"));
  const auto verdicts = explain(logs);
  ASSERT_FALSE(verdicts.empty());
  EXPECT_EQ(verdicts.front().cause, Cause::different_collectives);
  EXPECT_EQ(verdicts.front().rank, 1);
  const auto pickle = add_flight_record(logs, "\x80\x04\x95", "nccl_trace_rank_0");
  ASSERT_FALSE(pickle);
  EXPECT_NE(pickle.error().message.find("pickle"), std::string::npos);
  EXPECT_FALSE(add_flight_record(logs, "{}", "trace_0.json"));
  EXPECT_FALSE(add_flight_record(logs, record("nccl:reduce"), "trace.json"));  // whose?
}

// Three ranks' records of `calls` all-reduces, of which one is begun each second, the last of them by the first two only if `late`.
Logs flight_records(int calls, bool late, const std::vector<std::uint64_t>& clocks) {
  Logs logs;
  for (std::size_t rank = 0; rank < clocks.size(); ++rank) {
    std::string entries;
    for (int c = 0; c < (late && rank + 1 == clocks.size() ? calls - 2 : calls); ++c) {
      entries += fmt::format(
          R"({}{{"process_group":["0","x"],"collective_seq_id":{},"profiling_name":"nccl:all_reduce","state":"{}","time_created_ns":{}}})",
          c > 0 ? "," : "", c, c < calls - 2 ? "completed" : "scheduled", clocks[rank] + static_cast<std::uint64_t>(c) * 1000 * ms);
    }
    const auto text = R"({"pg_config":{"0":{"ranks":"[0, 1, 2]"}},"entries":[)" + entries + "]}";
    EXPECT_TRUE(add_flight_record(logs, text, fmt::format("trace_{}.json", rank)));
  }
  return logs;
}

TEST(FlightRecords, OfHostsWhoseClocksDifferNameNoStraggler) {
  const auto logs = flight_records(10, false, {1'000'000 * ms, 1'000'000 * ms, 1'000'500 * ms});
  const auto verdicts = explain(logs);
  EXPECT_TRUE(verdicts.empty()) << explanation_text(logs, verdicts);
  const auto said = [](const std::string& note) { return note.find("own wall clock: which rank begins last is not told") != std::string::npos; };
  EXPECT_EQ(std::ranges::count_if(logs.notes, said), 1);
}

TEST(FlightRecords, NameTheRankThatDoesNotComeByTheClockOfThoseThatWait) {
  const auto logs = flight_records(10, true, {1'000'000 * ms, 1'000'000 * ms, 9'000'000 * ms});
  const auto verdicts = explain(logs);
  ASSERT_EQ(verdicts.size(), 1U);
  EXPECT_EQ(verdicts[0].cause, Cause::rank_is_late);
  EXPECT_EQ(verdicts[0].rank, 2);
  EXPECT_NE(verdicts[0].what.find("waited 1.0 s"), std::string::npos) << verdicts[0].what;
}

// Wall time is half a century ahead of a monotonic clock.
TEST(FlightRecords, DoNotMakeRunningCallsOfOtherRecordsOld) {
  std::mt19937_64 random(6);
  auto logs = healthy(2, 5, random);
  hang(logs);
  for (auto& log : logs.ranks) log.now -= 4999 * ms;
  const auto foreign = flight_records(5, false, std::vector<std::uint64_t>(3, 1'700'000'000'000 * ms));
  logs.ranks.insert(logs.ranks.end(), foreign.ranks.begin(), foreign.ranks.end());
  const auto verdicts = explain(logs);
  EXPECT_TRUE(verdicts.empty()) << explanation_text(logs, verdicts);
}

TEST(Explanation, WithoutRecordsSaysNothingOfHowThingsAre) {
  EXPECT_EQ(explanation_text({}, {}).find("Nothing is wrong"), std::string::npos);
  std::mt19937_64 random(7);
  EXPECT_NE(explanation_text(healthy(2, 3, random), {}).find("Nothing is wrong"), std::string::npos);
}

TEST(RasText, ComplaintsAreQuotedAndOtherTextsRefused) {
  Logs logs;
  ASSERT_TRUE(add_ras_text(logs, "NCCL version 2.28.9\nCommunicators... (0.00s)\n  #1 INCOMPLETE: missing 1 rank\nErrors\n", "ras.txt"));
  EXPECT_EQ(logs.notes.front(), "NCCL's RAS says:   #1 INCOMPLETE: missing 1 rank");
  EXPECT_FALSE(add_ras_text(logs, "hello", "ras.txt"));
}

}  // namespace
}  // namespace p2plab::monitor::explain_faults_test
