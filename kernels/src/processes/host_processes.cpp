// SPDX-License-Identifier: Apache-2.0
// host, in several processes: each runs the lanes of its own rank on memory that all share, with the program's own waits and nothing else between
// them.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <optional>

#include <fmt/format.h>

#include "executors/backend.h"
#include "host/host_memory.h"
#include "host/host_team.h"
#include "lowered/wait_limit.h"
#include "monitor/recorder.h"
#include "p2plab/detail/settings.h"
#include "p2plab/run/monitor.h"
#include "processes/host_arenas.h"
#include "processes/results.h"
#include "stages/host_stages.h"

namespace p2plab {

namespace {

constexpr Bytes most_memory{std::int64_t{2} << 30};

// A process measures one program after another; each has a record of its own.
int number_of_record() {
  static std::atomic<int> next{0};
  return next++;
}

// A rank's runs as calls in the record, where P2PLAB_MONITOR asks for one. A communicator is a program and its launcher.
class RecordedRuns {
 public:
  RecordedRuns(const Program& program, const std::string& planner, const RunOptions& options, const Session& session)
      : recorder_(monitor::Recorder::of_lookup("host", setting, session.rank(), number_of_record())) {
    if (!recorder_) return;
    const auto name = fmt::format("{} of process {}", processes::digest(program, options), getppid());
    side_ = recorder_->add_side({.communicator = monitor::number_of(name.data(), name.size()), .rank = session.rank(), .ranks = session.ranks()});
    const auto& payload = program.payload;
    info_.count = static_cast<std::uint64_t>(payload.elements);
    info_.bytes = static_cast<std::uint64_t>(payload.size().count());
    info_.kind = static_cast<monitor::Kind>(program.collective.kind);
    for (int type = 0; type < 256; ++type) {
      if (type_word(static_cast<std::uint8_t>(type)) == to_string(payload.type)) info_.type = static_cast<std::uint8_t>(type);
    }
    for (int op = 0; reduces(program.collective.kind) && op < 256; ++op) {
      if (op_word(static_cast<std::uint8_t>(op)) == to_string(payload.op)) info_.op = static_cast<std::uint8_t>(op);
    }
    info_.algorithm = recorder_->name(planner.c_str());
    info_.backend = monitor::Backend::cpu;
    info_.protocol = recorder_->name(std::string{to_string(program.tuning.protocol)}.c_str());
  }
  ~RecordedRuns() {
    if (recorder_) recorder_->close_side(side_);
  }
  RecordedRuns(const RecordedRuns&) = delete;
  RecordedRuns& operator=(const RecordedRuns&) = delete;
  RecordedRuns(RecordedRuns&&) = delete;
  RecordedRuns& operator=(RecordedRuns&&) = delete;
  void begin(HostTeam& team) {
    if (!recorder_) return;
    number_ = recorder_->begin(side_, info_);
    if (recorder_->level() != monitor::Level::steps) return;
    team.tell([this](const MovedSlice& moved) {
      recorder_->step({.call = number_,
                       .begun = moved.waited_since,
                       .ended = moved.ended,
                       .waited = static_cast<std::uint32_t>(std::min<std::uint64_t>(moved.begun - moved.waited_since, 0xffffffff)),
                       .step = static_cast<std::uint32_t>(moved.step.value),
                       .lane = static_cast<std::uint16_t>(moved.lane.value),
                       .block = static_cast<std::uint16_t>(moved.part)});
    });
  }
  void end(const Status& how) {
    if (!recorder_) return;
    recorder_->end(number_, how ? monitor::Progress::done : monitor::Progress::failed);
    if (!how) recorder_->event(monitor::EventKind::error, side_, how.error().message.c_str());
  }

 private:
  std::unique_ptr<monitor::Recorder> recorder_;
  int side_ = -1;
  std::uint64_t number_ = 0;
  monitor::CallInfo info_;
};

class HostProcesses final : public Executor {
 public:
  explicit HostProcesses(Session& session) : session_(session), stages_(session) {}
  Status available() const override { return {}; }
  Clock clock() const override { return Clock::host; }

  Result<Measurement> run(const Job& job, const RunOptions& options) const override {
    if (auto good = backend::without_epilogue(job); !good) return std::move(good).error();
    expects(job.plan != nullptr && job.program != nullptr);
    const auto& program = *job.program;
    if (job.topology != nullptr && servers_of(*job.topology).count() > 1) return stages_.run(job, options);
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
    return measure({memory, board, data, program, job.plan->planner, *limit}, options);
  }

 private:
  struct Parts {
    HostMemory& memory;
    ProgressBoard& board;
    const TestData& data;
    const Program& program;
    const std::string& planner;
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
                  {.threads = std::max(1, options.threads), .only = rank, .stop = &stop, .timeout = parts.deadline});
    std::vector<Seconds> samples;
    RecordedRuns record(parts.program, parts.planner, options, session_);
    for (int run = 0; run < std::max(1, options.warmup + options.repeats); ++run) {
      parts.memory.fill(parts.data, rank);
      team.reset();
      if (auto all = session_.barrier(); !all) return std::move(all).error();
      record.begin(team);
      auto time = team.run();
      record.end(time ? Status{} : time.error());
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
  mutable stages::HostStages stages_;  // where the machine has several servers
};

}  // namespace

std::unique_ptr<Executor> host_processes(Session& session) { return std::make_unique<HostProcesses>(session); }

}  // namespace p2plab
