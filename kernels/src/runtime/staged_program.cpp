// SPDX-License-Identifier: Apache-2.0
#include "runtime/staged_program.h"

#include <algorithm>

#include <fmt/format.h>

#include "p2plab/run/gpu_tuning.h"
#include "stages/stage_tuning.h"

namespace p2plab::runtime {

namespace {

// Of a slice's kernels: messages of another slice need multiprocessors at the same time, and each waits for ranks on which the other may have to run
// first. Half of those that a V100 has.
constexpr int blocks_of_a_slice = 40;

}  // namespace

std::int64_t slices_of(const Call& call, const Servers& servers, std::int64_t most) {
  constexpr Bytes least = 2_MiB;  // of a slice: shorter ones cost more stages than they hide
  if (std::ranges::all_of(servers.ranks, [](const auto& mates) { return mates.size() == 1; })) return 1;
  return std::clamp<std::int64_t>(payload_of(call, static_cast<int>(servers.of.size())).size().count() / least.count(), 1, most);
}

Result<std::unique_ptr<StagedProgram>> StagedProgram::create(const Call& call, int ranks, int rank, int device, const Carriers& carriers,
                                                             const PlanSource& plans, int most_blocks) {
  constexpr std::int64_t unit = 256;  // elements, so that every slice is aligned as the whole is
  if (call.epilogue) return Error{ErrorCode::unsupported, "over several servers an epilogue runs as a kernel of its own"};
  auto chosen = plans(call);
  if (!chosen) return std::move(chosen).error();
  std::unique_ptr<StagedProgram> made{new StagedProgram(call, ranks, carriers, *std::move(chosen))};
  const auto slices = slices_of(call, servers_of(made->chosen_.machine), made->chosen_.slices);
  const auto length = slices == 1 ? call.count : (call.count / slices / unit + 1) * unit;
  for (std::int64_t first = 0; first < call.count; first += length) {
    if (auto done = made->add_slice(first, std::min(length, call.count - first), rank, device, most_blocks); !done) return std::move(done).error();
  }
  if (made->slices_.size() == 1) return made;
  auto network = device::stream(device);
  if (!network) return std::move(network).error();
  made->network_ = *std::move(network);
  return made;
}

Status StagedProgram::add_slice(std::int64_t first, std::int64_t count, int rank, int device, int most_blocks) {
  const auto& topology = chosen_.machine;
  const auto& schedule = chosen_.plan.schedule;
  auto part = call_;
  part.count = count;
  const auto payload = runtime::payload_of(part, ranks_);
  const auto proof = verify(topology, schedule);
  if (!proof) return proof.error();
  Slice slice{.first = first, .count = count};
  slice.program.payload = payload;
  slice.program.tuning = chosen_.tuning ? *chosen_.tuning : staged_gpu_tuning(schedule, *proof, payload);
  const auto tuning = stages::stage_tuning(slice.program.tuning, servers_of(topology), payload.size());
  const int most = count < call_.count ? blocks_of_a_slice : 0;
  auto cut = cut_into(most_blocks > 0 && most > 0 ? std::min(most, most_blocks) : std::max(most, most_blocks), payload, tuning);
  if (!cut) return std::move(cut).error();
  auto runs = StageRuns::create({&topology, &chosen_.plan, &slice.program}, *std::move(cut), Rank{rank}, device);
  if (!runs) return std::move(runs).error();
  slice.runs = *std::move(runs);
  for (auto* const order : {&slice.inside, &slice.across}) {
    auto event = device::Order::create(device);
    if (!event) return std::move(event).error();
    *order = *std::move(event);
  }
  slices_.push_back(std::move(slice));
  return {};
}

// Blocks of segments by slices are their lanes, and copies of them; those by packets the kernels count (prepare).
Result<SegmentedProgram> StagedProgram::cut_into(int most_blocks, const Payload& payload, Tuning tuning) const {
  const auto& topology = chosen_.machine;
  const auto cut_with = [&] { return cut_at_servers(topology, chosen_.plan.schedule, payload, tuning, false); };
  auto cut = cut_with();
  if (!cut || most_blocks == 0) return cut;
  int blocks = 0;
  for (const auto& stage : cut->stages) {
    for (const auto& segment : stage.segments) blocks = std::max(blocks, segment.blocks());
  }
  if (blocks <= most_blocks) return cut;
  tuning.blocks_per_lane = std::max(1, most_blocks * tuning.blocks_per_lane / blocks);
  return cut_with();
}

Status StagedProgram::prepare(Communicator& communicator, int most_blocks) {
  const auto& topology = chosen_.machine;
  const int most = slices_.size() == 1 ? most_blocks : most_blocks == 0 ? blocks_of_a_slice : std::min(most_blocks, blocks_of_a_slice);
  const KernelShape shape{.blocks = static_cast<std::uint32_t>(most)};
  for (const auto& slice : slices_) {
    if (auto done = slice.runs->prepare({&topology, &chosen_.plan, &slice.program}, communicator, shape); !done) return done;
  }
  return {};
}

// Between the caller's blocks and those of a slice. What of a longer program the caller did not give goes nowhere.
Status StagedProgram::move(const Slice& slice, int rank, const Call& exact, const DeviceBuffers& buffers, Buffer which, void* stream) const {
  const bool in = which == Buffer::input;
  const auto blocks = blocks_of(call_, rank, ranks_);
  const auto count = in ? blocks.input : blocks.output;
  const auto size = size_of(call_.type);
  const auto width = std::clamp<std::int64_t>(exact.count - slice.first, 0, slice.count) * size;
  if (count == 0 || width == 0) return {};
  const auto theirs = (in ? buffers.input : buffers.output) + static_cast<std::uint64_t>(slice.first * size);
  const auto ours = slice.runs->address(which);
  const auto their_pitch = exact.count * size;
  const auto our_pitch = slice.count * size;
  return device::copy(
      in ? device::Rows{ours, our_pitch, theirs, their_pitch, width, count} : device::Rows{theirs, their_pitch, ours, our_pitch, width, count},
      stream);
}

// The input is copied before, and the output after all else, so they may be one memory.
Status StagedProgram::run(int rank, const Call& exact, const DeviceBuffers& buffers, void* stream) const {
  for (const auto& slice : slices_) {
    if (auto done = move(slice, rank, exact, buffers, Buffer::input, stream); !done) return done;
  }
  if (auto done = slices_.size() == 1 ? slices_.front().runs->run(carriers_, stream) : run_overlapped(stream); !done) return done;
  for (const auto& slice : slices_) {
    if (auto done = move(slice, rank, exact, buffers, Buffer::output, stream); !done) return done;
  }
  return {};
}

// Wave after wave, in one order on all ranks: slice k is at stage s in wave k + s, its segment on the caller's stream, its messages on the other one.
Status StagedProgram::run_overlapped(void* stream) const {
  std::size_t waves = 0;
  for (std::size_t k = 0; k < slices_.size(); ++k) waves = std::max(waves, slices_[k].runs->stages() + k);
  for (std::size_t wave = 0; wave < waves; ++wave) {
    if (auto done = segments_of(wave, stream); !done) return done;
    if (auto done = messages_of(wave); !done) return done;
  }
  for (const auto& slice : slices_) {
    if (slice.runs->stages() == 0) continue;
    if (auto done = slice.across.wait(stream); !done) return done;
  }
  return {};
}

Status StagedProgram::segments_of(std::size_t wave, void* stream) const {
  for (std::size_t k = 0; k < slices_.size() && k <= wave; ++k) {
    const auto& slice = slices_[k];
    const auto stage = wave - k;
    if (stage >= slice.runs->stages()) continue;
    if (auto done = stage > 0 ? slice.across.wait(stream) : Status{}; !done) return done;
    if (auto done = slice.runs->run_segment(stage, stream); !done) return done;
    if (auto done = slice.inside.mark(stream); !done) return done;
  }
  return {};
}

Status StagedProgram::messages_of(std::size_t wave) const {
  for (std::size_t k = 0; k < slices_.size() && k <= wave; ++k) {
    const auto& slice = slices_[k];
    const auto stage = wave - k;
    if (stage >= slice.runs->stages()) continue;
    if (auto done = slice.inside.wait(network_.get()); !done) return done;
    if (auto done = slice.runs->exchange(stage, carriers_, network_.get()); !done) return done;
    if (auto done = slice.across.mark(network_.get()); !done) return done;
  }
  return {};
}

Status StagedProgram::state() const {
  for (const auto& slice : slices_) {
    if (auto well = slice.runs->state(); !well) return well;
  }
  return {};
}

std::string StagedProgram::describe() const {
  auto text = fmt::format("{}: {}", chosen_.plan.planner, slices_.front().runs->describe());
  if (const auto carried = carriers_.describe(); !carried.empty()) text += "; " + carried;
  return slices_.size() == 1 ? text : fmt::format("{}; {} slices, one on the network while another is within the servers", text, slices_.size());
}

ProgramInfo StagedProgram::info() const {
  const auto& tuning = slices_.front().program.tuning;
  return {chosen_.plan.planner, to_string(tuning.protocol), tuning.blocks_per_lane, call_.count, chosen_.expected};
}

}  // namespace p2plab::runtime
