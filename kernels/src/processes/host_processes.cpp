// SPDX-License-Identifier: Apache-2.0
// host, in several processes: each runs the lanes of its own rank on memory that all share, with the program's own waits and nothing else between
// them.
#include <algorithm>
#include <atomic>
#include <optional>

#include <fmt/format.h>

#include "executors/backend.h"
#include "host/host_memory.h"
#include "host/host_team.h"
#include "lowered/wait_limit.h"
#include "processes/host_arenas.h"
#include "processes/results.h"

namespace p2plab {

namespace {

constexpr Bytes most_memory{std::int64_t{2} << 30};

class HostProcesses final : public Executor {
 public:
  explicit HostProcesses(Session& session) : session_(session) {}
  Status available() const override { return {}; }

  Result<Measurement> run(const Job& job, const RunOptions& options) const override {
    if (auto good = backend::without_epilogue(job); !good) return std::move(good).error();
    expects(job.plan != nullptr && job.program != nullptr);
    const auto& program = *job.program;
    const auto limit = wait_limit();
    if (auto good = agree(session_, {.build = processes::build(),
                                     .digest = processes::digest(program, options),
                                     .obstacle = limit ? obstacle(program) : limit.error().message});
        !good) {
      return std::move(good).error();
    }
    const auto arenas = processes::HostArenas::create(session_, program);
    if (!arenas) return arenas.error();
    const auto buffers = arenas->buffers();
    const auto counters = arenas->counters();
    HostMemory memory(job.plan->schedule, program, buffers);
    ProgressBoard board(program, counters);
    const TestData data(job.plan->schedule.collective(), job.plan->schedule.blocks(), program.payload, options.seed);
    return measure({memory, board, data, program, *limit}, options);
  }

 private:
  struct Parts {
    HostMemory& memory;
    ProgressBoard& board;
    const TestData& data;
    const Program& program;
    Seconds deadline;
  };

  std::string obstacle(const Program& program) const {
    if (program.ranks() != session_.ranks()) return fmt::format("the program has {} ranks, this job {} processes", program.ranks(), session_.ranks());
    const auto needed = HostMemory::needed(program);
    if (needed > most_memory)
      return fmt::format("the buffers of all ranks take {} MiB; the limit is {} MiB", needed.count() >> 20, most_memory.count() >> 20);
    return {};
  }

  Result<Measurement> measure(const Parts& parts, const RunOptions& options) const {
    const Rank rank{session_.rank()};
    std::atomic<bool> stop{false};
    const auto listening = session_.on_loss([&stop] { stop.store(true); });
    HostTeam team(parts.program, parts.memory, parts.board,
                  {.threads = std::max(1, options.threads), .only = rank, .stop = &stop, .patience = parts.deadline});
    std::vector<Seconds> samples;
    for (int run = 0; run < std::max(1, options.warmup + options.repeats); ++run) {
      parts.memory.fill(parts.data, rank);
      team.reset();
      if (auto all = session_.barrier(); !all) return std::move(all).error();
      auto time = team.run();
      // Who was told to stop says why.
      if (auto lost = session_.state(); !lost) return std::move(lost).error();
      if (!time) return std::move(time).error();
      if (auto all = session_.barrier(); !all) return std::move(all).error();
      if (run >= options.warmup && options.repeats > 0) samples.push_back(*time);
    }
    Measurement result{.executor = "host", .clock = Clock::host};
    auto slowest = processes::combine_samples(session_, samples, processes::Choice::slowest);
    if (!slowest) return std::move(slowest).error();
    result.samples = *std::move(slowest);
    if (options.check) {
      auto check = processes::combine_checks(session_, parts.memory.check(parts.data, 1, rank));
      if (!check) return std::move(check).error();
      result.check = *std::move(check);
    }
    result.notes.push_back(fmt::format("real data in {} processes that share memory; these times say nothing about GPUs", session_.ranks()));
    return result;
  }

  Session& session_;
};

}  // namespace

std::unique_ptr<Executor> host_processes(Session& session) { return std::make_unique<HostProcesses>(session); }

}  // namespace p2plab
