// SPDX-License-Identifier: Apache-2.0
// Traces by the rules of Perfetto's importer.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include <nlohmann/json.hpp>

#include "p2plab/simulator/trace.h"
#include "support/simulated.h"

namespace p2plab {
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
    for (const auto& machine : {testing::one_switch(4, GBps(123.4)), testing::islands_over_pcie(2, 2)}) {
      const auto program = testing::planned(machine, planner, CollectiveKind::all_reduce, 1_MiB, {}, sliced);
      const auto result = testing::simulated(machine, program, testing::busy_profile(), {.record = true});
      const auto slices = as_perfetto_reads(write_trace(machine, program, result));
      EXPECT_GT(slices.kept, 1000);
      EXPECT_EQ(slices.dropped, 0) << planner << ' ' << machine.name();
    }
  }
}

}  // namespace
}  // namespace p2plab
