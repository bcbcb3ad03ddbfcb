// SPDX-License-Identifier: Apache-2.0
#include "stages/host_stages.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "executors/backend.h"
#include "host/host_memory.h"
#include "host/host_team.h"
#include "lowered/wait_limit.h"
#include "processes/results.h"
#include "stages/server_session.h"

namespace p2plab::stages {

namespace {

using HostClock = std::chrono::steady_clock;
constexpr Bytes most_memory{std::int64_t{2} << 30};

// Why this rank cannot take part; empty: it can.
std::string obstacle(const Job& job, const Result<SegmentedProgram>& cut, const Session& session, const Result<Seconds>& limit) {
  if (!limit) return limit.error().message;
  if (job.program->ranks() != session.ranks())
    return fmt::format("the program has {} ranks, this job {} processes", job.program->ranks(), session.ranks());
  if (!cut) return cut.error().message;
  Bytes all{0};
  for (const auto& memory : cut->memory) all += memory.input + memory.output + memory.scratch + memory.host;
  if (all <= most_memory) return {};
  return fmt::format("the buffers of all ranks take {} MiB; the limit is {} MiB", all.count() >> 20, most_memory.count() >> 20);
}

Result<SegmentedProgram> cut_of(const Job& job) {
  const auto& program = *job.program;
  if (job.plan->schedule.step_count() == 0 && !program.instructions.empty())
    return Error{ErrorCode::unsupported, "a program of a file runs on one server; over several a plan is cut"};
  return cut_at_servers(*job.topology, job.plan->schedule, program.payload, program.tuning, program.in_place);
}

// What all segments have in common, with the memory of all stages.
Program frame_of(const Program& program, const SegmentedProgram& cut) {
  Program frame;
  frame.payload = program.payload;
  frame.tuning = program.tuning;
  frame.in_place = program.in_place;
  frame.collective = program.collective;
  frame.memory = cut.memory;
  return frame;
}

}  // namespace

// A rank's part of one stage: its lanes of the segment, and its ends of the messages.
struct RankStage {
  std::unique_ptr<ProgressBoard> board;
  std::unique_ptr<HostTeam> team;  // null: the server has nothing to do
  std::vector<Transfer> sends;
  std::vector<Transfer> receives;
};

// Each call has data of its own, and is checked.
struct HostStages::Ready {
  HostMemory& memory;
  std::function<TestData(int)> data;  // of a call by its number
  std::vector<RankStage> stages;
  DataCheck check = {.passed = true};
};

HostStages::HostStages(Session& session) : session_(session), self_(session.rank()), listening_(session.on_loss([this] { stop_.store(true); })) {}

Result<Measurement> HostStages::run(const Job& job, const RunOptions& options) {
  if (auto good = backend::without_epilogue(job); !good) return std::move(good).error();
  const auto limit = wait_limit();
  const auto cut = cut_of(job);
  const auto servers = cut ? fmt::format("{}", fmt::join(cut->servers.of, " ")) : std::string{};
  const Offer mine{
      .build = processes::build(), .digest = processes::digest(*job.program, options) + servers, .obstacle = obstacle(job, cut, session_, limit)};
  if (auto agreed = agree(session_, mine); !agreed) return std::move(agreed).error();
  if (auto joined = join(cut->servers, *limit); !joined) return std::move(joined).error();
  if (auto connected = connect(*cut); !connected) return reason(std::move(connected).error());
  auto measured = measure(job, *cut, options, *limit);
  if (!measured) return reason(std::move(measured).error());
  return measured;
}

// Who lost another rank says so, whatever it met with first; the loss may still be on its way.
Error HostStages::reason(Error mine) const {
  constexpr auto timeout = std::chrono::seconds(1);
  for (const auto until = HostClock::now() + timeout; HostClock::now() < until; std::this_thread::sleep_for(std::chrono::milliseconds(5))) {
    if (auto lost = session_.state(); !lost) return std::move(lost).error();
  }
  return mine;
}

Status HostStages::join(const Servers& servers, Seconds deadline) {
  if (servers_ && servers_->of == servers.of) return {};
  auto joined = join_server(session_, servers);
  if (!joined) return std::move(joined).error();
  server_session_ = *std::move(joined);
  servers_ = servers;
  transport_ = std::make_unique<TcpTransport>(session_, stop_, deadline);
  return {};
}

Status HostStages::connect(const SegmentedProgram& cut) {
  std::vector<Rank> peers;
  for (const auto& stage : cut.stages) {
    for (const auto& message : stage.messages) {
      if (message.from.rank == self_) peers.push_back(message.to.rank);
      if (message.to.rank == self_) peers.push_back(message.from.rank);
    }
  }
  std::ranges::sort(peers);
  peers.erase(std::unique(peers.begin(), peers.end()), peers.end());
  return transport_->connect(peers);
}

Result<Measurement> HostStages::measure(const Job& job, const SegmentedProgram& cut, const RunOptions& options, Seconds deadline) {
  const auto server = servers_->of[self_.index()];
  const auto frame = frame_of(*job.program, cut);
  const auto shared = ServerMemory::create(*server_session_, cut, frame, server);
  if (auto well = processes::all_well(session_, shared ? Status{} : Status{shared.error()}); !well) return std::move(well).error();
  HostMemory memory(job.plan->schedule, frame, shared->buffers());
  const auto& schedule = job.plan->schedule;
  const auto data = [&](int call) {
    return TestData(schedule.collective(), schedule.blocks(), frame.payload, options.seed + static_cast<std::uint64_t>(call));
  };
  Ready ready{memory, data, {}};
  for (std::size_t s = 0; s < cut.stages.size(); ++s) {
    RankStage stage;
    const auto& segment = cut.stages[s].segments[static_cast<std::size_t>(server)];
    if (!segment.lanes.empty()) {
      stage.board = std::make_unique<ProgressBoard>(segment, shared->counters(s));
      stage.team = std::make_unique<HostTeam>(
          segment, memory, *stage.board, TeamOptions{.threads = std::max(1, options.threads), .only = self_, .stop = &stop_, .timeout = deadline});
    }
    for (const auto& [from, to, bytes] : cut.stages[s].messages) {
      if (from.rank == self_) stage.sends.push_back({to.rank, memory.at(self_, from.buffer, from.offset), bytes});
      if (to.rank == self_) stage.receives.push_back({from.rank, memory.at(self_, to.buffer, to.offset), bytes});
    }
    ready.stages.push_back(std::move(stage));
  }
  ServerBarrier barrier(*shared, servers_->ranks[static_cast<std::size_t>(server)], self_, stop_, deadline);
  const auto samples = time(ready, options, barrier);
  if (!samples) return samples.error();
  Measurement result{.executor = "host", .clock = Clock::host};
  auto slowest = processes::combine_samples(session_, *samples, processes::Choice::slowest);
  if (!slowest) return std::move(slowest).error();
  result.samples = *std::move(slowest);
  if (options.check) {
    auto check = processes::combine_checks(session_, ready.check);
    if (!check) return std::move(check).error();
    result.check = *std::move(check);
  }
  result.notes.push_back(fmt::format("real data in {} processes of {} servers, {} stages, messages over TCP; these times say nothing about GPUs",
                                     session_.ranks(), servers_->count(), cut.stages.size()));
  return result;
}

// Nobody waits for all after a call: once a rank's last stage is over, no other rank looks at its memory before the next call begins.
Result<std::vector<Seconds>> HostStages::time(Ready& ready, const RunOptions& options, ServerBarrier& barrier) {
  std::vector<Seconds> samples;
  for (int run = 0; run < std::max(1, options.warmup + options.repeats); ++run) {
    const auto data = ready.data(run);
    ready.memory.fill(data, self_);
    for (const auto& stage : ready.stages) {
      if (stage.team) stage.team->reset();
    }
    if (auto all = session_.barrier(); !all) return std::move(all).error();
    const auto took = call(ready, barrier);
    if (!took) return took.error();
    if (options.check) merge(ready.check, ready.memory.check(data, 1, self_));
    if (run >= options.warmup && options.repeats > 0) samples.push_back(*took);
  }
  return samples;
}

// Barriers of the server keep what its ranks do in one stage apart from what they do in the next.
Result<Seconds> HostStages::call(const Ready& ready, ServerBarrier& barrier) {
  const auto begun = HostClock::now();
  for (const auto& stage : ready.stages) {
    if (stage.team) {
      if (auto all = barrier.wait(); !all) return std::move(all).error();
      if (auto ran = stage.team->run(); !ran) return std::move(ran).error();
      if (auto all = barrier.wait(); !all) return std::move(all).error();
    }
    if (stage.sends.empty() && stage.receives.empty()) continue;
    if (auto done = transport_->exchange(stage.sends, stage.receives, nullptr); !done) return std::move(done).error();
  }
  return Seconds{std::chrono::duration<double>(HostClock::now() - begun).count()};
}

}  // namespace p2plab::stages
