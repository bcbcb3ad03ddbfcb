// SPDX-License-Identifier: Apache-2.0
// Traces by the rules of Perfetto's importer.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include <nlohmann/json.hpp>

#include "p2plab/simulator/trace.h"
#include "support/simulated.h"

namespace p2plab::trace_test {
namespace {

struct Slices {
  int kept = 0;
  int dropped = 0;
};

// It rounds begin and duration to whole nanoseconds each, and drops a slice that begins within another of its track and ends after it.
Slices as_perfetto_reads(const std::string& trace) {
  std::map<std::pair<int, int>, std::multimap<std::int64_t, std::int64_t>> tracks;  // begin -> end, in the file's order where begins are equal
  const auto document = nlohmann::json::parse(trace);
  for (const auto& event : document["traceEvents"]) {
    if (event["ph"] != "X") continue;
    const auto begin = std::llround(event["ts"].get<double>() * 1000);
    tracks[{event["pid"], event["tid"]}].emplace(begin, begin + std::llround(event["dur"].get<double>() * 1000));
  }
  Slices slices;
  for (const auto& [track, list] : tracks) {
    std::vector<std::int64_t> open;  // ends
    for (const auto& [begin, end] : list) {
      while (!open.empty() && open.back() <= begin) open.pop_back();
      const bool crosses = !open.empty() && open.back() < end;
      ++(crosses ? slices.dropped : slices.kept);
      if (!crosses) open.push_back(end);
    }
  }
  return slices;
}

TEST(Trace, PerfettoDropsNoSliceOfIt) {
  const Tuning sliced{.blocks_per_lane = 2, .slice = 4_KiB};
  for (const char* planner : {"ring", "two_shot"}) {
    for (const auto& machine : {test::one_switch(4, GBps(123.4)), test::islands_over_pcie(2, 2)}) {
      const auto program = test::planned(machine, planner, CollectiveKind::all_reduce, 1_MiB, {}, sliced);
      const auto result = test::simulated(machine, program, test::busy_profile(), {.record = true});
      const auto slices = as_perfetto_reads(write_trace(machine, program, result));
      EXPECT_GT(slices.kept, 1000);
      EXPECT_EQ(slices.dropped, 0) << planner << ' ' << machine.name();
    }
  }
}

// What was measured is a process of its own for each GPU and executor, from the first simulated step on.
TEST(Trace, PutsMeasuredStepsBesidePredictedOnes) {
  const auto machine = test::one_switch(2);
  const auto program = test::planned(machine, "ring", CollectiveKind::all_reduce, 64_KiB);
  const auto result = test::simulated(machine, program, test::busy_profile(), {.record = true});
  const std::vector<MeasuredStep> steps{
      {.rank = 0, .lane = 0, .block = 0, .step = 0, .slice = 0, .begun = Seconds{0}, .ready = Seconds{1e-6}, .ended = Seconds{3e-6}},
      {.rank = 1, .lane = 1, .block = 0, .step = 1, .begun = Seconds{2e-6}, .ready = Seconds{2e-6}, .ended = Seconds{4e-6}},
      {.rank = 1, .lane = 1, .block = 0, .step = MeasuredStep::token, .begun = Seconds{4e-6}, .ready = Seconds{4e-6}, .ended = Seconds{5e-6}}};
  const std::vector<MeasuredTrack> measured{{"cuda", steps}, {"host", steps}};
  const auto text = write_trace(machine, program, result, measured);
  EXPECT_EQ(as_perfetto_reads(text).dropped, 0);
  std::map<int, std::string> processes;
  std::map<std::string, std::vector<std::string>> bars;
  double first = 1e9;
  double first_measured = 1e9;
  const auto document = nlohmann::json::parse(text);
  for (const auto& event : document["traceEvents"]) {
    if (event["name"] == "process_name") processes[event["pid"]] = event["args"]["name"];
    if (event["ph"] != "X") continue;
    const auto& process = processes[event["pid"]];
    const bool is_measured = process.find("measured") != std::string::npos;
    if (is_measured) bars[process].push_back(event["name"]);
    auto& least = is_measured ? first_measured : first;
    least = std::min(least, event["ts"].get<double>());
  }
  EXPECT_EQ(bars["gpu0, measured by cuda"], (std::vector<std::string>{"wait", "step 0 slice 0"}));
  EXPECT_EQ(bars["gpu1, measured by host"], (std::vector<std::string>{"step 1", "token: this rank has begun"}));
  EXPECT_DOUBLE_EQ(first_measured, first);
}

}  // namespace
}  // namespace p2plab::trace_test
