// SPDX-License-Identifier: Apache-2.0
#include "cuda/run/copy_run.h"

#include <algorithm>

#include <fmt/format.h>

#include "device/copies.h"

namespace p2plab::cuda {

namespace {

// Streams beyond a GPU's queues stand in line behind others, perhaps behind a kernel that waits for them: so it was found with six.
constexpr std::uint32_t most_streams = 4;

Error refuse(std::string message, std::string note) { return {ErrorCode::unsupported, std::move(message), {}, {std::move(note)}}; }

}  // namespace

Status CopyRun::prepare() {
  steps_ = false;  // nobody of ours is there when a copy begins
  const auto adds = std::ranges::find_if(program_.instructions, &Instruction::adds);
  if (adds != program_.instructions.end()) {
    return refuse(fmt::format("copy engines add nothing, but step {} does", adds->step.value), "use another protocol for what reduces");
  }
  if (auto done = link(); !done) return done;
  engines_.resize(ranks_.size());
  return each_rank([&](std::size_t rank) { return make_streams(rank); });
}

Status CopyRun::make_streams(std::size_t rank) {
  const auto blocks = ranks_[rank].blocks;
  auto& engines = engines_[rank];
  if (blocks > most_streams) {
    return refuse(fmt::format("the program needs {} streams of copies on a rank; at most {} are safe", blocks, most_streams),
                  "use fewer blocks per lane or channels");
  }
  for (std::uint32_t b = 0; b < blocks; ++b) {
    auto stream = create_stream();
    if (!stream) return std::move(stream).error();
    auto event = create_event();
    if (!event) return std::move(event).error();
    engines.streams.push_back(*std::move(stream));
    engines.ended.push_back(*std::move(event));
  }
  auto event = create_event();
  if (!event) return std::move(event).error();
  engines.begun = *std::move(event);
  return {};
}

// What stands in one part's stream for one instruction.
Status CopyRun::enqueue(const RankSlices& state, std::uint32_t block, std::uint32_t number, const Stream& stream) const {
  const auto blocks = state.linked.call.blocks_per_lane;
  const auto index = state.linked.lanes[block / blocks].first + number;
  const auto& instruction = state.linked.instructions[index];
  const auto slice = instruction.slice;
  device::SlicePlace place{.block = block, .instruction = index, .number = number};
  for (place.slice = block % blocks; place.slice * slice < instruction.bytes; place.slice += blocks, ++place.ordinal) {
    if (instruction.wait_count > 0) {
      if (auto done = check(device::launch_await_slice(state.call, place, stream.get()), "launch a wait"); !done) return done;
    }
    const auto begin = place.slice * slice;
    const auto at = [&](std::uint32_t operand) { return state.linked.addresses[instruction.operands + operand] + static_cast<std::uint64_t>(begin); };
    for (std::uint32_t d = 1; d <= instruction.destinations; ++d) {
      if (at(0) == at(d)) continue;
      const auto bytes = std::min(slice, instruction.bytes - begin);
      if (auto done = check(device::copy_between(at(d), at(0), bytes, stream.get()), "copy between GPUs"); !done) return done;
    }
    if (instruction.signal_count > 0) {
      if (auto done = check(device::launch_raise_slice(state.call, place, stream.get()), "launch a signal"); !done) return done;
    }
  }
  return {};
}

Status CopyRun::launch(Rank rank, const args::CallJournal& journal, device::StreamHandle stream) const {
  const auto& state = ranks_[rank.index()];
  const auto& engines = engines_[rank.index()];
  auto call = state.call;
  call.journal = journal;
  if (auto done = check(device::launch_copies_begin(call, state.blocks, stream), "launch the beginning"); !done) return done;
  if (auto done = record(engines.begun, stream); !done) return done;
  for (std::uint32_t b = 0; b < state.blocks; ++b) {
    const auto& lane = engines.streams[b];
    if (auto done = follow(lane.get(), engines.begun); !done) return done;
    const auto index = b / state.call.blocks_per_lane;
    const auto count = index < state.linked.lanes.size() ? state.linked.lanes[index].count : 0;
    for (std::uint32_t i = 0; i < count; ++i) {
      if (auto done = enqueue(state, b, i, lane); !done) return done;
    }
    if (auto done = record(engines.ended[b], lane.get()); !done) return done;
    if (auto done = follow(stream, engines.ended[b]); !done) return done;
  }
  return check(device::launch_copies_end(call, state.blocks, stream), "launch the end");
}

std::string CopyRun::describe() const { return fmt::format("copies by copy engines, with signals; {} streams", ranks_[device_set_.own()].blocks); }

}  // namespace p2plab::cuda
