// SPDX-License-Identifier: Apache-2.0
#include "host/host_run.h"

#include <algorithm>
#include <mutex>
#include <tuple>

#include "host/host_epilogue.h"
#include "host/host_team.h"

namespace p2plab {

namespace {

class SliceLog {
 public:
  explicit SliceLog(const Program& program) : program_(program) {}

  void add(const MovedSlice& moved) {
    const std::lock_guard lock(mutex_);
    all_.push_back(moved);
  }
  // In the order of their begins.
  std::vector<MeasuredStep> steps() {
    std::ranges::sort(all_, {}, [](const MovedSlice& each) { return std::tuple{each.waited_since, each.lane, each.part}; });
    std::vector<MeasuredStep> steps;
    for (const auto& each : all_) {
      steps.push_back({.rank = static_cast<std::int32_t>(program_.lanes[each.lane.index()].rank.value),
                       .lane = static_cast<std::int32_t>(each.lane.value),
                       .block = static_cast<std::int32_t>(each.part),
                       .step = static_cast<std::int32_t>(each.step.value),
                       .slice = each.slice,
                       .begun = since(each.waited_since),
                       .ready = since(each.begun),
                       .ended = since(each.ended)});
    }
    return steps;
  }

 private:
  Seconds since(std::uint64_t when) const {
    constexpr double ns = 1e-9;
    return Seconds{static_cast<double>(when - all_.front().waited_since) * ns};
  }

  const Program& program_;
  std::mutex mutex_;
  std::vector<MovedSlice> all_;
};

}  // namespace

Result<HostRun> run_on_host(const Program& program, HostMemory& memory, const TestData& data, const HostRunOptions& options) {
  HostRun result;
  ProgressBoard board(program);
  std::optional<HostEpilogue> epilogue;
  if (program.epilogue) epilogue.emplace(program, memory);
  {
    HostTeam team(program, memory, board, {.threads = options.threads});
    SliceLog log(program);
    for (int run = 0; run < options.runs; ++run) {
      memory.fill(data, options.threads);
      team.reset();
      if (options.steps && run + 1 == options.runs) team.tell([&log](const MovedSlice& moved) { log.add(moved); });
      auto time = team.run();
      if (!time) return std::move(time).error();
      result.times.push_back(*time + (epilogue ? epilogue->run(options.threads) : Seconds{0}));
    }
    result.steps = log.steps();
  }
  result.check = memory.check(data, options.threads);
  if (epilogue) merge(result.check, epilogue->check(options.threads));
  return result;
}

}  // namespace p2plab
