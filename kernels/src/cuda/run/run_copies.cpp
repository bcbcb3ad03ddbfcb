// SPDX-License-Identifier: Apache-2.0
// Runs by copy engines: a stream for each part of each lane, in which copies stand between kernels that wait for flags and raise them. No
// multiprocessor moves data.
#include <algorithm>

#include <fmt/format.h>

#include "cuda/run/run.h"
#include "device/copies.h"

namespace p2plab::cuda {

namespace {

// Streams beyond a GPU's queues stand in line behind others, perhaps behind a kernel that waits for them: so it was found with six.
constexpr std::uint32_t most_streams = 4;

}  // namespace

Status GpuRun::prepare_copies() {
  const auto refuse = [](std::string message, std::string note) { return Error{ErrorCode::unsupported, std::move(message), {}, {std::move(note)}}; };
  const auto adds = std::ranges::find_if(program_->instructions, [](const Instruction& i) { return i.sources > 1 || i.divides; });
  if (adds != program_->instructions.end()) {
    return refuse(fmt::format("copy engines add nothing, but step {} does", adds->step.value), "use another protocol for what reduces");
  }
  if (!peer_access_.covers(*program_)) return refuse("copy engines need ranks that reach each other's memory", "use another protocol");
  if (auto done = link_slice_images(); !done) return done;
  for (std::size_t r = 0; r < ranks_.size(); ++r) {
    if (!device_set_->has(r)) continue;
    auto& state = ranks_[r];
    if (state.blocks > most_streams) {
      return refuse(fmt::format("the program needs {} streams of copies on a rank; at most {} are safe", state.blocks, most_streams),
                    "use fewer parts or channels");
    }
    if (auto done = use_device(device_set_->gpu(r).device); !done) return done;
    for (std::uint32_t b = 0; b < state.blocks; ++b) {
      auto stream = create_stream();
      if (!stream) return std::move(stream).error();
      auto event = create_event();
      if (!event) return std::move(event).error();
      state.lane_streams.push_back(*std::move(stream));
      state.lane_events.push_back(*std::move(event));
    }
    auto event = create_event();
    if (!event) return std::move(event).error();
    state.begun = *std::move(event);
  }
  return {};
}

// What stands in one part's stream for one instruction.
Status GpuRun::enqueue_copies(const RankState& state, std::uint32_t block, std::uint32_t number, const Stream& stream) const {
  const auto parts = state.slices.call.parts;
  const auto index = state.slices.lanes[block / parts].first + number;
  const auto& instruction = state.slices.instructions[index];
  const auto slice = instruction.slice;
  device::SlicePlace place{.block = block, .instruction = index, .number = number};
  for (place.slice = block % parts; place.slice * slice < instruction.bytes; place.slice += parts, ++place.turn) {
    if (instruction.wait_count > 0) {
      if (auto done = check(device::launch_await_slice(state.slice_call, place, stream.get()), "launch a wait"); !done) return done;
    }
    const auto begin = place.slice * slice;
    const auto at = [&](std::uint32_t operand) { return state.slices.addresses[instruction.operands + operand] + static_cast<std::uint64_t>(begin); };
    for (std::uint32_t d = 1; d <= instruction.destinations; ++d) {
      if (at(0) == at(d)) continue;
      const auto bytes = std::min(slice, instruction.bytes - begin);
      if (auto done = check(device::copy_between(at(d), at(0), bytes, stream.get()), "copy between GPUs"); !done) return done;
    }
    if (instruction.signal_count > 0) {
      if (auto done = check(device::launch_raise_slice(state.slice_call, place, stream.get()), "launch a signal"); !done) return done;
    }
  }
  return {};
}

Status GpuRun::enqueue_by_copies(const RankState& state, device::StreamHandle stream) const {
  if (auto done = check(device::launch_copies_begin(state.slice_call, state.blocks, stream), "launch the beginning"); !done) return done;
  if (auto done = record(state.begun, stream); !done) return done;
  for (std::uint32_t b = 0; b < state.blocks; ++b) {
    const auto& lane = state.lane_streams[b];
    if (auto done = follow(lane.get(), state.begun); !done) return done;
    const auto index = b / state.slice_call.parts;
    const auto count = index < state.slices.lanes.size() ? state.slices.lanes[index].count : 0;
    for (std::uint32_t i = 0; i < count; ++i) {
      if (auto done = enqueue_copies(state, b, i, lane); !done) return done;
    }
    if (auto done = record(state.lane_events[b], lane.get()); !done) return done;
    if (auto done = follow(stream, state.lane_events[b]); !done) return done;
  }
  return check(device::launch_copies_end(state.slice_call, state.blocks, stream), "launch the end");
}

}  // namespace p2plab::cuda
