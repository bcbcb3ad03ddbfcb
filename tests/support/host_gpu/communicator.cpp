// SPDX-License-Identifier: Apache-2.0
// The communicator of GPUs that are CPU threads: the same programs on the host executor's threads, calls on streams, ranks in one process or several.
#include "p2plab/run/communicator.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "host/host_memory.h"
#include "host/host_team.h"
#include "lowered/noted_items.h"
#include "lowered/wait_limit.h"
#include "p2plab/schedule/layout.h"
#include "processes/host_arenas.h"
#include "processes/results.h"
#include "rows/epilogue_link.h"
#include "rows/host_rows.h"
#include "support/emulation/cpu_machine.h"
#include "support/host_gpu/enqueue.h"

namespace p2plab {

namespace {

using Watch = std::chrono::steady_clock;

// Calls that each rank has begun and ended, where all can see them.
class Steps {
 public:
  static Result<Steps> create(Session* session, int ranks) {
    Steps steps;
    const Bytes size{std::int64_t{128} * ranks};
    if (session == nullptr) {
      steps.own_ = std::make_unique<ProgressCounter[]>(static_cast<std::size_t>(2 * ranks));
      steps.counters_ = {steps.own_.get(), static_cast<std::size_t>(2 * ranks)};
      return steps;
    }
    auto file = processes::make_shared_file(size);
    if (auto well = processes::all_well(*session, file ? Status{} : Status{file.error()}); !well) return std::move(well).error();
    const auto files = session->share(file->get());
    if (!files) return files.error();
    auto mapping = processes::Mapping::map(files->front().get(), size);
    if (auto well = processes::all_well(*session, mapping ? Status{} : Status{mapping.error()}); !well) return std::move(well).error();
    steps.mapping_.emplace(*std::move(mapping));
    steps.counters_ = {reinterpret_cast<ProgressCounter*>(steps.mapping_->bytes().data()), static_cast<std::size_t>(2 * ranks)};
    return steps;
  }
  std::atomic<std::uint64_t>& begun(std::size_t rank) const { return counters_[2 * rank].value; }
  std::atomic<std::uint64_t>& ended(std::size_t rank) const { return counters_[2 * rank + 1].value; }
  std::size_t ranks() const { return counters_.size() / 2; }

 private:
  std::unique_ptr<ProgressCounter[]> own_;
  std::optional<processes::Mapping> mapping_;
  std::span<ProgressCounter> counters_;
};

}  // namespace

// What of calls is written into journals.
struct Recorded {
  bool calls = false;
  bool steps = false;
};

class Operation::Body {
 public:
  struct Options {
    Seconds deadline{2};
    Recorded recorded;
    std::vector<DeviceBuffers> registered = {};  // of a segment, by rank
  };
  static Result<std::unique_ptr<Body>> create(const Job& job, Session* session, Options options) {
    std::unique_ptr<Body> body{new Body(job, options.deadline)};
    body->recorded_ = options.recorded;
    body->registered_ = std::move(options.registered);
    auto steps = Steps::create(session, job.program->ranks());
    if (!steps) return std::move(steps).error();
    body->steps_ = *std::move(steps);
    std::vector<std::span<std::byte>> buffers;
    std::vector<std::span<ProgressCounter>> counters;
    if (session != nullptr) {
      auto arenas = processes::HostArenas::create(*session, *job.program);
      if (!arenas) return std::move(arenas).error();
      body->arenas_.emplace(*std::move(arenas));
      buffers = body->arenas_->buffers();
      counters = body->arenas_->counters();
      body->listening_ = session->on_loss([raw = body.get()] { raw->stop_ = true; });
    }
    body->memory_.emplace(job.plan->schedule, *job.program, buffers);
    body->board_.emplace(*job.program, counters);
    return body;
  }

  // What a segment reads and writes lies in one buffer, its output.
  Status call(Rank rank, void* stream) {
    const auto own = registered_[rank.index()].output;
    return call(rank, {own, own}, stream);
  }
  Status call(Rank rank, const DeviceBuffers& buffers, void* stream) {
    if (!recorded_.calls && (buffers.journal.counts | buffers.journal.ring) != 0)
      return Error{ErrorCode::invalid_input, "a journal for a communicator whose calls are not recorded"};
    test::enqueue(stream, [this, rank, buffers] {
      const auto number = ++calls_[rank.index()];
      const args::CallJournal journal{buffers.journal.counts, buffers.journal.ring, buffers.journal.name, buffers.journal.mask};
      device::JournalMark<test::Cpu> mark(journal);
      mark.begin(journal);
      mark.add_up(journal);
      const std::string failed = state() ? run(rank, buffers, number) : std::string{};
      mark.end(journal, recorded_.steps ? device::StepNotes<test::Cpu, true>::name_of(journal, static_cast<std::uint32_t>(number)) : journal.name);
      const std::lock_guard lock(mutex_);
      if (!failed.empty() && state_) state_ = Error{ErrorCode::device_failure, fmt::format("rank {} {}", rank.value, failed)};
    });
    return {};
  }
  Status state() const {
    const std::lock_guard lock(mutex_);
    return state_;
  }
  NotedItems noted(Rank rank) const {
    if (!recorded_.steps) return {};
    return {.blocks_per_lane = program_.tuning.blocks_per_lane, .lanes = noted_items(program_, rank)};
  }

 private:
  Body(const Job& job, Seconds deadline)
      : program_(*job.program), layout_(job.plan->schedule, job.program->payload), deadline_(deadline), calls_(job.program->memory.size()) {}

  bool wait(std::uint64_t least, std::atomic<std::uint64_t>& (Steps::*of)(std::size_t) const) const {
    const auto until = Watch::now() + std::chrono::duration_cast<Watch::duration>(deadline_);
    for (std::size_t r = 0; r < steps_.ranks(); ++r) {
      while ((steps_.*of)(r).load() < least) {
        if (stop_ || Watch::now() > until) return false;
        std::this_thread::yield();
      }
    }
    return true;
  }

  // As the block of a GPU's kernel does that has the slice's part.
  void note(Rank rank, const CallJournal& given, std::uint32_t number, const MovedSlice& moved) const {
    const args::CallJournal journal{given.counts, given.ring, given.name, given.mask};
    const auto parts = static_cast<std::uint32_t>(program_.tuning.blocks_per_lane);
    std::uint32_t lanes = 0;
    std::uint32_t lane = 0;
    for (std::size_t l = 0; l < program_.lanes.size(); ++l) {
      if (program_.lanes[l].rank != rank) continue;
      if (l == moved.lane.index()) lane = lanes;
      ++lanes;
    }
    test::Cpu::place() = {lane * parts + static_cast<std::uint32_t>(moved.part), lanes * parts};
    device::StepNotes<test::Cpu, true> notes(journal, number);
    { const auto noted = notes.note(moved.instruction); }
    notes.close();
  }

  // Nobody's data or progress is touched before all have ended the call before; nobody runs before all have begun; what others write is there when
  // they have ended.
  std::string run(Rank rank, const DeviceBuffers& buffers, std::uint64_t number) {
    const auto late = [&] { return stop_ ? std::string{"was left alone"} : "waited longer than " + wait_text(deadline_); };
    if (!wait(number - 1, &Steps::ended)) return late();
    HostTeam team(program_, *memory_, *board_, {.only = rank, .stop = &stop_, .timeout = deadline_});
    team.reset();
    const auto copy = [](void* to, const void* from, Bytes size) {
      if (size.count() > 0) std::memcpy(to, from, static_cast<std::size_t>(size.count()));
    };
    const bool segment = !registered_.empty();
    const auto output_size = segment ? program_.memory[rank.index()].output : layout_.output_size(rank);
    copy(memory_->at(rank, segment ? Buffer::output : Buffer::input, 0), reinterpret_cast<const void*>(buffers.input),
         segment ? output_size : layout_.input_size(rank));
    steps_.begun(rank.index()) = number;
    if (!wait(number, &Steps::begun)) return late();
    if (recorded_.steps && buffers.journal.ring != 0)
      team.tell([&](const MovedSlice& moved) { note(rank, buffers.journal, static_cast<std::uint32_t>(number), moved); });
    if (const auto done = team.run(); !done) return done.error().message;
    steps_.ended(rank.index()) = number;
    if (!wait(number, &Steps::ended)) return late();
    if (program_.epilogue) {
      const auto sums = reinterpret_cast<std::uint64_t>(memory_->at(rank, Buffer::output, 0));
      const auto rows = link_epilogue(*program_.epilogue, program_.payload, sums, buffers.epilogue);
      if (!rows) return rows.error().message;
      run_rows_on_host(program_.payload.type, *rows);
    }
    copy(reinterpret_cast<void*>(buffers.output), memory_->at(rank, Buffer::output, 0), output_size);
    return {};
  }

  const Program& program_;
  BufferLayout layout_;
  Seconds deadline_;
  Recorded recorded_;
  std::vector<DeviceBuffers> registered_;
  std::vector<std::uint64_t> calls_;  // run, by rank
  Steps steps_;
  std::optional<processes::HostArenas> arenas_;
  std::optional<HostMemory> memory_;
  std::optional<ProgressBoard> board_;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  Status state_;
  std::shared_ptr<void> listening_;
};

Operation::Operation(std::unique_ptr<Body> body) : body_(std::move(body)) {}
Operation::Operation(Operation&&) noexcept = default;
Operation& Operation::operator=(Operation&&) noexcept = default;
Operation::~Operation() = default;
Status Operation::call(Rank rank, void* stream) const { return body_->call(rank, stream); }
Status Operation::call(Rank rank, const DeviceBuffers& buffers, void* stream) const { return body_->call(rank, buffers, stream); }
Status Operation::state() const { return body_->state(); }
NotedItems Operation::noted(Rank rank) const { return body_->noted(rank); }
std::string Operation::describe() const { return "on CPU threads"; }

class Communicator::Body {
 public:
  Session* session = nullptr;
  Seconds deadline{2};
  Recorded recorded;
};
Communicator::Communicator(std::unique_ptr<Body> body) : body_(std::move(body)) {}
Communicator::Communicator(Communicator&&) noexcept = default;
Communicator& Communicator::operator=(Communicator&&) noexcept = default;
Communicator::~Communicator() = default;

Result<Communicator> Communicator::create(const std::vector<int>&, const CommunicatorOptions& options) {
  const auto limit = wait_limit(options.deadline);
  if (!limit) return limit.error();
  return Communicator(std::make_unique<Body>(Body{nullptr, *limit, {options.recorded, options.steps}}));
}

Result<Communicator> Communicator::create(Session& session, int, const CommunicatorOptions& options) {
  const auto limit = wait_limit(options.deadline);
  if (auto well = processes::all_well(session, limit ? Status{} : Status{limit.error()}); !well) return std::move(well).error();
  return Communicator(std::make_unique<Body>(Body{&session, *limit, {options.recorded, options.steps}}));
}

Result<Operation> Communicator::prepare(const Job& job, BufferUse use, std::span<const DeviceBuffers>, const KernelShape&) {
  if (use != BufferUse::staged) return Error{ErrorCode::unsupported, "registered buffers"};
  auto body = Operation::Body::create(job, body_->session, {body_->deadline, body_->recorded});
  if (!body) return std::move(body).error();
  return Operation(*std::move(body));
}
Result<Operation> Communicator::prepare_segment(const Job& job, std::span<const DeviceBuffers> buffers, const KernelShape&) {
  auto body = Operation::Body::create(job, body_->session, {body_->deadline, body_->recorded, {buffers.begin(), buffers.end()}});
  if (!body) return std::move(body).error();
  return Operation(*std::move(body));
}
MemoryUse Communicator::memory(Rank) const { return {}; }

}  // namespace p2plab
