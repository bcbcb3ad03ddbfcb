// SPDX-License-Identifier: Apache-2.0
// What is recorded, as lines, tables, Prometheus' text and traces.
#include <algorithm>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "monitor/recorder.h"
#include "monitor/views.h"
#include "support/scratch.h"

namespace p2plab::monitor::monitor_views_test {
namespace {

// One rank's calls of 1000 float16 that take `us` each.
RecordedProcess process_of(const std::vector<double>& us, double predicted_us = 0) {
  RecordedProcess process{.path = "x", .pid = 7, .source = "p2plab", .program = "a\"b", .names = {"", "ring", "ll"}};
  process.sides.push_back({.communicator = 0xabc, .rank = 1, .ranks = 4, .begun = us.size()});
  process.sides.front().counts[0] = us.size();
  for (std::size_t i = 0; i < us.size(); ++i) {
    RecordedCall call{.number = i, .sequence = i, .begun = 1'000'000 * (i + 1), .device_begun = 1, .count = 1000};
    call.device_time = static_cast<std::uint64_t>(us[i] * 1e3);
    call.predicted = Seconds{predicted_us * 1e-6};
    call.type = 6;
    call.backend = 1;
    call.algorithm = 1;
    call.protocol = 2;
    process.calls.push_back(call);
  }
  process.next = us.size();
  return process;
}

TEST(MonitorViews, ABandHasItsMedianAndBusbwAndIsSlowerOnlyAgainstWhatIsExpected) {
  const auto steady = process_of(std::vector<double>(200, 10), 9);
  const auto bands = bands_of({&steady});
  ASSERT_EQ(bands.size(), 1U);
  EXPECT_NEAR(bands[0].median.count(), 10e-6, 1e-12);
  EXPECT_EQ(bands[0].bytes, 1024U);                       // 2000 bytes lie between 1 and 2 KiB
  EXPECT_NEAR(bands[0].busbw, 2000 * 1.5 / 10e-6, 1e-3);  // 2 (n-1) / n of 4 ranks
  EXPECT_EQ(bands[0].expectation, Expectation::predicted);
  EXPECT_FALSE(bands[0].outside);  // within 25 % of 9 us
  const auto slow = process_of(std::vector<double>(200, 12), 9);
  EXPECT_TRUE(bands_of({&slow})[0].outside);
  auto times = std::vector<double>(100, 10);
  times.insert(times.end(), 100, 14);
  const auto slower = process_of(times);
  EXPECT_EQ(bands_of({&slower})[0].expectation, Expectation::own_past);
  EXPECT_TRUE(bands_of({&slower})[0].outside);
  const auto few = process_of(std::vector<double>(20, 10));
  EXPECT_EQ(bands_of({&few})[0].expectation, Expectation::none);
}

// nccl-tests take the whole for an all-gather's size; libp2plab, the shim and NCCL count one rank's part, the host executor the whole.
// Two calls in a graph, of which the record says how often and how long they ran.
RecordedProcess with_replays(std::uint64_t replays, std::uint64_t ns) {
  auto process = process_of({}, 0);
  process.level = 1;
  RecordedReplays each{.capture = 5, .replays = replays, .sum = replays * ns, .least = ns, .most = ns, .last = ns, .begun = 9'000'000};
  each.call = {
      .begun = 1'000'000, .count = 1000, .predicted = Seconds{5e-6}, .type = 6, .backend = 1, .algorithm = 1, .protocol = 2, .captured = true};
  process.replays = {each, each};
  process.replays[1].call.sequence = 1;
  return process;
}

TEST(MonitorViews, ReplaysAreShownLikeCalls) {
  auto process = with_replays(1000, 8000);
  process.not_counted = 3;
  auto counted = process.replays[0].call;
  counted.replayed = true;
  counted.replays = 1000;
  counted.device_begun = 1;
  counted.device_time = 8000;
  process.counted.assign(40, counted);
  for (std::size_t i = 0; i < 40; ++i) process.counted[i].number = i + 1;
  const auto bands = bands_of({&process});
  ASSERT_EQ(bands.size(), 1U);
  EXPECT_EQ(bands[0].calls, 40'000U);
  EXPECT_EQ(bands[0].replayed, 40'000U);
  EXPECT_EQ(bands[0].timed, 40U);
  EXPECT_NEAR(bands[0].median.count(), 8e-6, 1e-12);
  EXPECT_TRUE(bands[0].outside);  // of 5 us predicted
  const Picture picture{.processes = {&process}, .bands = bands};
  EXPECT_NE(table_of(picture, 0).find("2000 replays of 2 calls in graphs, those of 3 more not counted"), std::string::npos);
  const auto metrics = prometheus_of(picture);
  EXPECT_NE(metrics.find("operation=\"all_reduce\",bytes=\"2000\"} 2000\n"), std::string::npos) << metrics;
  EXPECT_NE(metrics.find("} 0.016\n"), std::string::npos) << metrics;
  EXPECT_NE(metrics.find("p2plab_captures_not_counted_total 3\n"), std::string::npos);
  const auto line = nlohmann::json::parse(call_line(process, process.counted[0]));
  EXPECT_TRUE(line["replay"].get<bool>());
  EXPECT_EQ(line["replays"], 1000);
  EXPECT_NEAR(line["measured_us"].get<double>(), 8, 1e-9);
  const auto json = nlohmann::json::parse(picture_json(picture));
  EXPECT_EQ(json["processes"][0]["replays"], 2000);
  EXPECT_EQ(json["bands"][0]["replayed"], 40'000);
  const auto trace = nlohmann::json::parse(trace_of({process}, {}));
  const auto bars =
      std::ranges::count_if(trace["traceEvents"], [](const auto& each) { return each["ph"] == "X" && each["dur"] > 7.9 && each["dur"] < 8.1; });
  EXPECT_EQ(bars, 2);  // the last replay of each
}

TEST(MonitorViews, ExplainSaysHowFarGraphsHaveCome) {
  const auto process = with_replays(1000, 8000);
  const auto logs = logs_of({&process}, 2'009'000'000);
  ASSERT_EQ(logs.notes.size(), 1U);
  EXPECT_EQ(logs.notes[0], "rank 1 of 00000abc: graphs replayed 2000 calls to their end, the last of which began 2.0 s ago");
}

TEST(MonitorViews, ReplaysAreNoNumbersThatRanksCompare) {
  auto one = process_of({10, 10});
  auto other = process_of({10, 10});
  other.sides[0].rank = 2;
  for (std::size_t i = 0; i < 5; ++i) {
    auto replayed = one.calls[0];
    replayed.number = 2 + i;
    replayed.sequence = i;
    replayed.replayed = true;
    replayed.kind = 3;  // a broadcast
    one.calls.push_back(replayed);
  }
  const auto verdicts = explain(logs_of({&one, &other}, 1'000'000'000));
  for (const auto& verdict : verdicts) EXPECT_EQ(verdict.what.find("broadcast"), std::string::npos) << verdict.what;
}

TEST(MonitorViews, BusbwIsOfTheWholeWhateverIsCounted) {
  constexpr std::uint8_t p2p = 1;
  constexpr std::uint8_t cpu = 4;
  ASSERT_EQ(backend_word(cpu), "cpu");
  for (const std::string kind : {"all_gather", "reduce_scatter", "all_to_all", "gather", "scatter"}) {
    for (const auto backend : {p2p, cpu}) {
      auto process = process_of({10, 10, 10});
      for (auto& call : process.calls) {
        call.backend = backend;
        while (kind_word(call.kind) != kind) ++call.kind;
      }
      const double whole = backend == cpu ? 2000 : 4 * 2000;
      EXPECT_NEAR(bands_of({&process})[0].busbw, whole * 0.75 / 10e-6, 1e-3) << kind << ", " << backend_word(backend);
    }
  }
}

TEST(MonitorViews, StepsAreThoseOfTheCommunicatorThatIsAskedFor) {
  auto process = process_of({10});
  auto other = process.calls.front();
  process.sides.push_back(process.sides.front());
  process.sides.back().communicator = 0xdef;
  other.number = 1;
  other.side = 1;
  process.calls.push_back(other);
  process.steps = {{.call = 0, .begun = other.begun, .ended = other.begun + 5, .step = 7},
                   {.call = 1, .begun = other.begun, .ended = other.begun + 5, .step = 8}};
  for (const auto& [communicator, step] : {std::pair{"0000000000000abc", 7}, std::pair{"0000000000000def", 8}}) {
    const auto steps = nlohmann::json::parse(steps_json(process, {communicator, "1", "0"}));
    ASSERT_EQ(steps.size(), 1U);
    EXPECT_EQ(steps[0]["step"], step);
  }
  EXPECT_EQ(steps_json(process, {"0000000000000123", "1", "0"}), "[]");
}

TEST(MonitorViews, OfRanksThatWaitTheTimeOfTheLastToComeCounts) {
  auto early = process_of(std::vector<double>(50, 100));
  auto late = process_of(std::vector<double>(50, 10));
  late.sides.front().rank = 2;
  const auto bands = bands_of({&early, &late});
  ASSERT_EQ(bands.size(), 1U);
  EXPECT_EQ(bands[0].calls, 100U);
  EXPECT_EQ(bands[0].timed, 50U);
  EXPECT_NEAR(bands[0].median.count(), 10e-6, 1e-12);
}

TEST(MonitorViews, LinesAndTracesAreJsonAndPrometheusLinesAreWellFormed) {
  const auto process = process_of({10, 20}, 9);
  const auto line = nlohmann::json::parse(call_line(process, process.calls[1]));
  EXPECT_EQ(line["operation"], "all_reduce");
  EXPECT_EQ(line["type"], "float16");
  EXPECT_NEAR(line["measured_us"].get<double>(), 20, 1e-9);
  EXPECT_EQ(line["measured_by"], "device");
  auto following = process.calls[1];
  following.follows = following.replayed = true;
  EXPECT_EQ(nlohmann::json::parse(call_line(process, following))["measured_by"], "alike");
  EXPECT_EQ(line["algorithm"], "ring");
  const Picture picture{.processes = {&process}, .bands = bands_of({&process}), .alarms = {{"late", "c", 1, "rank 1 \"is\" late", 5}}, .lost = 3};
  const auto json = nlohmann::json::parse(picture_json(picture));
  EXPECT_EQ(json["bands"][0]["calls"], 2);
  EXPECT_EQ(json["communicators"][0]["late_us"].size(), 4U);
  std::istringstream text(prometheus_of(picture));
  for (std::string each; std::getline(text, each);) {
    if (each.starts_with('#')) continue;
    const auto blank = each.rfind(' ');
    ASSERT_NE(blank, std::string::npos) << each;
    std::size_t end = 0;
    std::stod(each.substr(blank + 1), &end);
    EXPECT_EQ(end, each.size() - blank - 1) << each;
    EXPECT_EQ(std::ranges::count(each.substr(0, blank), '{'), std::ranges::count(each, '}')) << each;
  }
  EXPECT_NE(prometheus_of(picture).find("p2plab_lost_records_total 3\n"), std::string::npos);
  const auto trace = nlohmann::json::parse(trace_of({process}, {.from = 1'500'000}));
  const auto bars = std::ranges::count_if(trace["traceEvents"], [](const auto& event) { return event["ph"] == "X"; });
  EXPECT_EQ(bars, 1);  // the other call began before the window
  EXPECT_NE(table_of(picture, 80).find("ALARM"), std::string::npos);
}

TEST(MonitorViews, EachCallIsGivenOutOnceAndOverwrittenOnesAreCounted) {
  const auto folder = test::scratch("records").parent_path().string();
  const auto recorder = Recorder::open({.source = "host", .level = Level::basic, .folder = folder.c_str(), .calls = 16});
  ASSERT_NE(recorder, nullptr);
  const int side = recorder->add_side({.communicator = 1});
  Watcher watcher({.folder = folder});
  std::size_t given = 0;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < (round == 2 ? 40 : 10); ++i) recorder->end(recorder->begin(side, {.kind = all_reduce}), Progress::done);
    ASSERT_TRUE(watcher.look());
    given += watcher.take_settled(Seconds{1}, monotonic_now()).size();
  }
  EXPECT_EQ(watcher.lost(), 24U);
  EXPECT_EQ(given, 36U);
}

TEST(MonitorViews, WhatWasReplayedSinceTheLastLookIsOneCallOfItsMeanTime) {
  const auto folder = test::scratch("records").parent_path().string();
  const auto recorder = Recorder::open({.source = "p2plab", .level = Level::basic, .folder = folder.c_str(), .calls = 16, .replays = 4});
  ASSERT_NE(recorder, nullptr);
  const int side = recorder->add_side({.communicator = 1});
  const CallInfo info{.count = 1000, .kind = all_reduce, .flags = captured};
  const int captured_call = recorder->add_captured(recorder->begin(side, info), 3, info);
  Watcher watcher({.folder = folder});
  std::vector<RecordedCall> given;
  const auto look = [&] {
    EXPECT_TRUE(watcher.look());
    for (const auto& seen : watcher.take_settled(Seconds{0}, monotonic_now())) given.push_back(seen.call);
  };
  look();
  recorder->replays(captured_call, {.replays = 100, .sum = 300'000, .least = 2000, .most = 9000, .last = 3000, .begun = 77});
  look();
  look();
  recorder->replays(captured_call, {.replays = 110, .sum = 400'000, .least = 2000, .most = 20'000, .last = 10'000, .begun = 88});
  look();
  ASSERT_EQ(given.size(), 3U);  // as captured, and two that were replayed
  EXPECT_FALSE(given[0].replayed);
  EXPECT_EQ(given[1].replays, 100U);
  EXPECT_EQ(given[1].device_time, 3000U);
  EXPECT_EQ(given[2].replays, 10U);
  EXPECT_EQ(given[2].device_time, 10'000U);
  EXPECT_EQ(given[2].begun, 88U);
  EXPECT_EQ(bands_of(watcher.current(true))[0].replayed, 110U);
}

// At level detailed a noted call's replays are calls of their own; those of one that follows it are counted from look to look.
TEST(MonitorViews, WhatFollowsANotedCallIsCountedBesideIt) {
  const auto folder = test::scratch("records").parent_path().string();
  const auto recorder = Recorder::open({.source = "p2plab", .level = Level::detailed, .folder = folder.c_str(), .calls = 64, .replays = 4});
  ASSERT_NE(recorder, nullptr);
  const int side = recorder->add_side({.communicator = 1});
  CallInfo info{.count = 1000, .kind = all_reduce, .flags = captured};
  const int noted = recorder->add_captured(recorder->begin(side, info), 3, info);
  info.flags |= follows;
  const int following = recorder->add_captured(recorder->begin(side, info), 3, info);
  Watcher watcher({.folder = folder});
  ASSERT_TRUE(watcher.look());
  for (int i = 0; i < 5; ++i) recorder->replayed(noted, 100, 2000);
  for (const int which : {noted, following})
    recorder->replays(which, {.replays = 5, .sum = 10'000, .least = 2000, .most = 2000, .last = 2000, .begun = 77});
  ASSERT_TRUE(watcher.look());
  const auto bands = bands_of(watcher.current(true));
  ASSERT_EQ(bands.size(), 1U);
  EXPECT_EQ(bands[0].replayed, 10U);
  EXPECT_EQ(bands[0].timed, 5U) << "one measurement would count for many";
  EXPECT_NEAR(bands[0].median.count(), 2e-6, 1e-12);
}

TEST(MonitorViews, TracesHaveBarsOfNotedReplaysAlone) {
  auto process = process_of({}, 0);
  process.level = 1;
  for (const bool follows : {false, true, true}) {
    RecordedReplays each{.replays = 3, .last = 2000, .begun = 77};
    each.call.follows = follows;
    process.replays.push_back(each);
  }
  const auto events = nlohmann::json::parse(trace_of({process}, {}))["traceEvents"];
  EXPECT_EQ(std::ranges::count_if(events, [](const auto& event) { return event["ph"] == "X"; }), 1) << "begun nobody knows when";
}

TEST(Alarms, AreToldOnceAndEndOnlyWhenTheyStayAway) {
  Alarms alarms;
  constexpr std::uint64_t second = 1'000'000'000;
  const std::vector<Alarm> late{{"rank is late", "world", 1, "rank 1 is late", second}};
  EXPECT_EQ(alarms.update(late, second).size(), 1U);
  EXPECT_TRUE(alarms.update(late, 2 * second).empty());
  EXPECT_TRUE(alarms.update({}, 4 * second).empty());
  EXPECT_TRUE(alarms.update(late, 6 * second).empty());
  const auto over = alarms.update({}, 12 * second);
  ASSERT_EQ(over.size(), 1U);
  EXPECT_FALSE(over.front().on);
  EXPECT_TRUE(alarms.on().empty());
}

}  // namespace
}  // namespace p2plab::monitor::monitor_views_test
