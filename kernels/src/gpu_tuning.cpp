#include "p2plab/gpu_tuning.h"

#include <algorithm>
#include <set>

#include "p2plab/layout.h"

namespace p2plab {

namespace {

constexpr std::int64_t flags_up_to = std::int64_t{16} << 10;   // bytes of a chunk: half of each packet is flags, but nothing is cleared
constexpr std::int64_t packets_up_to = std::int64_t{2} << 20;  // beyond, slices need less memory traffic
constexpr std::int64_t slice_bytes = std::int64_t{64} << 10;   // one round of a block of 512 threads with 8 vectors each
constexpr int blocks_at_once = 128;                            // of 512 threads: one for each multiprocessor of an H100 or H200

// Lanes of the busiest rank, as lowering makes them: one for each channel and set of remote ranks.
int most_lanes(const Schedule& schedule) {
  std::vector<std::set<std::vector<std::int32_t>>> lanes(static_cast<std::size_t>(schedule.ranks()));
  for (std::size_t i = 0; i < schedule.step_count(); ++i) {
    const auto step = schedule.step(StepId{static_cast<std::int64_t>(i)});
    std::set<std::int32_t> remote;
    for (const auto locations : {step.sources, step.destinations}) {
      for (const auto& location : locations) {
        if (location.rank != step.executor) remote.insert(location.rank.value);
      }
    }
    lanes[step.executor.index()].insert({remote.begin(), remote.end()});
  }
  std::size_t most = 1;
  for (const auto& mine : lanes) most = std::max(most, mine.size());
  return static_cast<int>(most);
}

}  // namespace

Tuning gpu_tuning(const Schedule& schedule, const Payload& payload) {
  std::int64_t largest = 0;
  for (const auto& extent : cut(schedule, payload)) largest = std::max(largest, extent.count * size_of(payload.type));
  if (largest <= flags_up_to) return {.protocol = Protocol::ll};
  if (largest <= packets_up_to) return {.protocol = Protocol::flagless};
  std::set<std::int32_t> channels;
  for (const auto& chunk : schedule.chunks()) channels.insert(chunk.channel);
  const auto lanes = most_lanes(schedule) * static_cast<int>(std::max<std::size_t>(channels.size(), 1));
  return {.parts = std::max(1, blocks_at_once / lanes), .slice = Bytes{slice_bytes}, .protocol = Protocol::simple};
}

}  // namespace p2plab
