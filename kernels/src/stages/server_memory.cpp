// SPDX-License-Identifier: Apache-2.0
#include "stages/server_memory.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include <fmt/format.h>

#include "host/host_memory.h"
#include "host/wait_loop.h"
#include "processes/results.h"

namespace p2plab::stages {

namespace {

std::size_t rounded(std::size_t bytes) { return (bytes + 127) / 128 * 128; }

}  // namespace

Result<ServerMemory> ServerMemory::create(Session& session, const SegmentedProgram& cut, const Program& frame, int server) {
  const auto& ranks = cut.servers.ranks[static_cast<std::size_t>(server)];
  ServerMemory made;
  made.buffers_.resize(frame.memory.size());
  made.counters_.resize(frame.memory.size());
  made.blocks_.assign(frame.memory.size(), std::vector<std::size_t>(cut.stages.size()));
  for (std::size_t s = 0; s < cut.stages.size(); ++s) {
    const auto& segment = cut.stages[s].segments[static_cast<std::size_t>(server)];
    for (const auto& lane : segment.lanes) made.blocks_[lane.rank.index()][s] += static_cast<std::size_t>(segment.tuning.blocks_per_lane);
  }
  const auto count = [&](Rank rank) {
    const auto& of_rank = made.blocks_[rank.index()];
    return std::accumulate(of_rank.begin(), of_rank.end(), std::size_t{1});
  };
  const auto counter_bytes = [&](Rank rank) { return rounded(count(rank) * sizeof(ProgressCounter)); };
  const auto size = [&](Rank rank) { return Bytes{static_cast<std::int64_t>(counter_bytes(rank))} + HostMemory::arena_size(frame, rank); };
  const auto self = ranks[static_cast<std::size_t>(session.rank())];
  auto own = processes::make_shared_file(size(self));
  if (auto well = processes::all_well(session, own ? Status{} : Status{own.error()}); !well) return std::move(well).error();
  const auto files = session.share(own->get());
  if (!files) return files.error();
  Status mapped;
  for (std::size_t i = 0; i < ranks.size() && mapped; ++i) {
    auto mapping = processes::Mapping::map((*files)[i].get(), size(ranks[i]));
    if (!mapping) {
      mapped = std::move(mapping).error();
      continue;
    }
    const auto bytes = mapping->bytes();
    made.counters_[ranks[i].index()] = {reinterpret_cast<ProgressCounter*>(bytes.data()), count(ranks[i])};
    made.buffers_[ranks[i].index()] = bytes.subspan(counter_bytes(ranks[i]));
    made.mappings_.push_back(*std::move(mapping));
  }
  if (auto well = processes::all_well(session, mapped); !well) return std::move(well).error();
  return made;
}

std::vector<std::span<ProgressCounter>> ServerMemory::counters(std::size_t stage) const {
  std::vector<std::span<ProgressCounter>> all(counters_.size());
  for (std::size_t r = 0; r < counters_.size(); ++r) {
    if (counters_[r].empty()) continue;
    const auto first = std::accumulate(blocks_[r].begin(), blocks_[r].begin() + static_cast<std::ptrdiff_t>(stage), std::size_t{1});
    all[r] = counters_[r].subspan(first, blocks_[r][stage]);
  }
  return all;
}

Status ServerBarrier::wait() {
  memory_.arrivals(self_).store(++passed_);
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::steady_clock::duration>(deadline_);
  for (const auto rank : ranks_) {
    for (WaitLoop waiting; memory_.arrivals(rank).load() < passed_;) {
      waiting.pause();
      if (stop_.load()) return Error{ErrorCode::interrupted, "told to stop"};
      if (std::chrono::steady_clock::now() < until) continue;
      return Error{ErrorCode::device_failure, fmt::format("rank {} did not come to the end of a stage within {:g} s", rank.value, deadline_.count())};
    }
  }
  return {};
}

}  // namespace p2plab::stages
