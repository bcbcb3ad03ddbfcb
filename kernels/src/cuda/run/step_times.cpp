// SPDX-License-Identifier: Apache-2.0
#include "cuda/run/step_times.h"

#include <algorithm>

#include "lowered/step_clocks.h"

namespace p2plab::cuda {

namespace {

constexpr int calls = 20;  // one after another; the first ones and the last one have no like neighbours
constexpr std::uint32_t ring_mask = 63;

// A rank's journal: a ring of calls that nobody reads, then its notes.
constexpr std::uint64_t heads_at = sizeof(args::JournalRing) + (ring_mask + 1) * sizeof(args::JournalEntry);
constexpr std::uint64_t notes_at = heads_at + sizeof(args::StepHeads);
constexpr std::uint64_t journal_bytes = notes_at + args::noted_steps * sizeof(args::StepEntry);

Bytes bytes(std::uint64_t count) { return Bytes{static_cast<std::int64_t>(count)}; }

Result<std::vector<DeviceMemory>> make_journals(const std::vector<int>& devices) {
  std::vector<DeviceMemory> journals;
  for (const auto device : devices) {
    if (auto done = use_device(device); !done) return std::move(done).error();
    auto memory = allocate(bytes(journal_bytes));
    if (!memory) return std::move(memory).error();
    const Stream usual;
    if (auto done = set_bytes(memory->address(), 0, bytes(journal_bytes), usual); !done) return std::move(done).error();
    if (auto done = synchronize(usual); !done) return std::move(done).error();
    journals.push_back(*std::move(memory));
  }
  return journals;
}

Result<std::vector<args::StepEntry>> read_notes(int device, const DeviceMemory& journal) {
  std::vector<args::StepEntry> notes(args::noted_steps);
  if (auto done = use_device(device); !done) return std::move(done).error();
  if (auto done = copy_from_device(notes.data(), journal.address() + notes_at, bytes(notes.size() * sizeof(args::StepEntry))); !done)
    return std::move(done).error();
  return notes;
}

}  // namespace

Result<StepTimes> time_steps(const Job& job, const RunOptions& options, const StepSubject& subject) {
  if (job.program->epilogue) return Error{ErrorCode::unsupported, "of programs with an epilogue none are noted"};
  const auto& devices = subject.ranks.devices;
  const auto addresses = subject.buffers.addresses();
  auto given = run_buffers(options, addresses);
  given.recorded = given.steps = true;
  const auto run = GpuRun::create(job, given, options.shape, subject.kernels, subject.device_set);
  if (!run) return run.error();
  if ((*run)->noted(Rank{0}).lanes.empty()) return Error{ErrorCode::unsupported, "its kernels note no steps"};
  const auto journals = make_journals(devices);
  if (!journals) return journals.error();
  std::vector<std::uint32_t> put(devices.size());  // calls, by rank: its thread alone counts
  const Enqueue enqueue = [&](Rank rank, const Stream& stream) {
    auto buffers = addresses[rank.index()];
    buffers.journal = {.ring = (*journals)[rank.index()].address(), .name = put[rank.index()]++, .mask = ring_mask};
    return (*run)->call(rank, buffers, stream.get());
  };
  const auto timed = time_calls(subject.ranks, enqueue, calls, {.warmup = 1, .repeats = 1, .graph = options.graph});
  if (auto well = (*run)->hang(); !well) return std::move(well).error();
  if (!timed) return timed.error();
  std::vector<RankNotes> notes;
  for (std::size_t r = 0; r < devices.size(); ++r) {
    auto read = read_notes(devices[r], (*journals)[r]);
    if (!read) return std::move(read).error();
    notes.push_back({*std::move(read), (*run)->noted(Rank{static_cast<std::int64_t>(r)}), devices[r]});
  }
  auto call = middle_call(notes, (*run)->arrivals());
  if (!call) return std::move(call).error();
  return StepTimes{std::move(call->steps), call->apart};
}

}  // namespace p2plab::cuda
