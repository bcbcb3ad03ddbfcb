// SPDX-License-Identifier: Apache-2.0
#include "p2plab/program/lower.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "p2plab/program/packet_program.h"
#include "p2plab/schedule/dependencies.h"
#include "p2plab/schedule/layout.h"
#include "p2plab/schedule/step_reader.h"
#include "program/insert_waits.h"
#include "program/lane_keys.h"

namespace p2plab {

namespace {

constexpr std::int64_t grain = 16;            // bytes: what one thread moves at a time
constexpr std::int64_t slot_alignment = 128;  // bytes: a line of the LL128 protocol, and of the memory system

std::int64_t round_up(std::int64_t value, std::int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

Status check(const Payload& payload, const Tuning& tuning) {
  const auto bad = [](std::string message) { return Error{ErrorCode::invalid_input, std::move(message)}; };
  constexpr std::int64_t most_bytes = std::int64_t{1} << 50;
  if (payload.elements < 0 || payload.elements > most_bytes / size_of(payload.type)) {
    return bad(fmt::format("a payload of {} elements is not between 0 and 2^50 bytes", payload.elements));
  }
  if (tuning.blocks_per_lane < 1 || tuning.blocks_per_lane > Tuning::most_blocks_per_lane)
    return bad(fmt::format("blocks per lane must be from 1 to {}, got {}", Tuning::most_blocks_per_lane, tuning.blocks_per_lane));
  if (tuning.slice.count() < 0 || tuning.slice.count() > most_bytes)
    return bad(fmt::format("a slice of {} bytes is out of range", tuning.slice.count()));
  if (tuning.slices < 0 || tuning.slices > Tuning::most_slices) {
    return bad(fmt::format("slices must be from 0 (by their bytes) to {}, got {}", Tuning::most_slices, tuning.slices));
  }
  if (tuning.slices > 0 && tuning.slice.count() > 0) return bad("slices are given by their bytes or by their number, not both");
  return {};
}

// Byte offsets of scratch and host slots: each slot as large as the largest chunk that lies in it.
class SlotLayout {
 public:
  SlotLayout(const Schedule& schedule, const Proof& proof, const std::vector<std::int64_t>& chunk_bytes) {
    for (int r = 0; r < schedule.ranks(); ++r) {
      for (const auto buffer : {Buffer::scratch, Buffer::host}) {
        base_.push_back(offsets_.size());
        offsets_.resize(offsets_.size() + static_cast<std::size_t>(schedule.slots(Rank{r}, buffer)));
      }
    }
    base_.push_back(offsets_.size());
    StepReader steps(schedule);
    for (std::size_t i = 0; i < schedule.step_count(); ++i) {
      const StepId id{static_cast<std::int64_t>(i)};
      for (const auto& location : steps(id).destinations) {
        if (location.buffer != Buffer::scratch && location.buffer != Buffer::host) continue;
        auto& size = offsets_[index(location)];
        const auto bytes = chunk_bytes[proof.chunk(id).index()];
        if (size != 0 && bytes != 0 && size != bytes) even_ = false;
        size = std::max(size, bytes);
      }
    }
    for (std::size_t area = 0; area + 1 < base_.size(); ++area) {
      std::int64_t total = 0;
      for (auto slot = base_[area]; slot < base_[area + 1]; ++slot) total += round_up(std::exchange(offsets_[slot], total), slot_alignment);
      sizes_.push_back(total);
    }
  }

  std::int64_t offset(const Location& location) const { return offsets_[index(location)]; }
  Bytes size(Rank rank, Buffer buffer) const { return Bytes{sizes_[area(rank, buffer)]}; }
  /// Does every slot hold chunks of one size only?
  bool even() const { return even_; }

 private:
  static std::size_t area(Rank rank, Buffer buffer) { return rank.index() * 2 + (buffer == Buffer::host ? 1 : 0); }
  std::size_t index(const Location& location) const { return base_[area(location.rank, location.buffer)] + location.slot; }
  std::vector<std::size_t> base_;      // per rank: scratch, host
  std::vector<std::int64_t> offsets_;  // sizes while they are collected, then offsets
  std::vector<std::int64_t> sizes_;
  bool even_ = true;
};

class Lowering {
 public:
  Lowering(const Schedule& schedule, const Proof& proof, const Payload& payload, const Tuning& tuning, CallerMemory memory)
      : schedule_(schedule),
        proof_(proof),
        one_memory_(proof.in_place() && memory == CallerMemory::as_proved),
        extents_(cut(schedule, payload)),
        buffers_(schedule, payload),
        slots_(schedule, proof, chunk_bytes(payload)) {
    program_.payload = payload;
    program_.tuning = tuning;
    program_.tuning.slice = Bytes{round_up(tuning.slice.count(), grain)};
    if (tuning.slices > 0 && !slots_.even()) by_bytes(payload);
    program_.in_place = one_memory_;
    program_.collective = schedule.collective();
    for (std::size_t i = 0; i < schedule.route_count(); ++i) {
      const auto links = schedule.route(RouteId{static_cast<std::int64_t>(i)});
      program_.route_links.insert(program_.route_links.end(), links.begin(), links.end());
      program_.route_offsets.push_back(static_cast<std::uint32_t>(program_.route_links.size()));
    }
  }

  Program run() {
    choose_steps();
    place_steps();
    fill_instructions();
    add_waits(program_, Dependencies(schedule_, proof_.in_place(), {dropped_, slots_.even() ? std::vector<std::int64_t>{} : step_bytes()}), places_,
              order_);
    for (int r = 0; r < schedule_.ranks(); ++r) {
      const Rank rank{r};
      program_.memory.push_back(
          {buffers_.input_size(rank), buffers_.output_size(rank), slots_.size(rank, Buffer::scratch), slots_.size(rank, Buffer::host)});
    }
    return std::move(program_);
  }

 private:
  // Chunks of two sizes in one slot would have their slices at different places there: all slices get the bytes of the largest chunk's.
  void by_bytes(const Payload& payload) {
    const auto bytes = chunk_bytes(payload);
    program_.tuning.slice = Bytes{round_up(program_.tuning.slice_of(*std::ranges::max_element(bytes)), grain)};
    program_.tuning.slices = 0;
  }

  std::vector<std::int64_t> chunk_bytes(const Payload& payload) const {
    std::vector<std::int64_t> bytes;
    for (const auto& extent : extents_) bytes.push_back(extent.count * size_of(payload.type));
    return bytes;
  }

  // In place, a chunk that lies in both input and output has the output's address.
  Location resolve(const Location& location) const {
    if (!one_memory_ || location.buffer != Buffer::input) return location;
    const auto block = schedule_.chunks()[location.slot].block;
    return buffers_.output_offset(location.rank, block) < 0 ? location : output(location.rank, ChunkId{static_cast<std::int64_t>(location.slot)});
  }

  void choose_steps() {
    dropped_.assign(schedule_.step_count(), false);
    StepReader steps(schedule_);
    for (std::size_t i = 0; i < schedule_.step_count(); ++i) {
      const StepId id{static_cast<std::int64_t>(i)};
      const auto step = steps(id);
      const bool stays = step.sources.size() == 1 && step.destinations.size() == 1 && resolve(step.sources[0]) == resolve(step.destinations[0]);
      dropped_[i] = stays || extents_[proof_.chunk(id).index()].count == 0;
      if (dropped_[i]) continue;
      order_.push_back(id);
      operands_ += step.sources.size() + step.destinations.size();
    }
  }

  std::vector<std::int64_t> step_bytes() const {
    std::vector<std::int64_t> bytes(schedule_.step_count());
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = extents_[proof_.chunk(StepId{static_cast<std::int64_t>(i)}).index()].count * size_of(program_.payload.type);
    }
    return bytes;
  }

  // Executor, channel, remote ranks rising; or the step alone.
  void key_of(StepId id, const Step& step, std::vector<std::int32_t>& words) const {
    words.clear();
    if (program_.tuning.lane_per_step) return words.push_back(id.value);
    words = {step.executor.value, schedule_.chunks()[proof_.chunk(id).index()].channel};
    const auto others = words.size();
    for (const auto locations : {step.sources, step.destinations}) {
      for (const auto& location : locations) {
        if (location.rank != step.executor) words.push_back(location.rank.value);
      }
    }
    const auto first = words.begin() + static_cast<std::ptrdiff_t>(others);
    std::sort(first, words.end());
    words.erase(std::unique(first, words.end()), words.end());
  }

  // Gives every kept step its lane and its place there; lanes are numbered by rank, then by first use.
  void place_steps() {
    LaneKeys known;
    std::vector<Lane> lanes;
    std::vector<std::uint32_t> lane_of;
    lane_of.reserve(order_.size());
    std::vector<std::int32_t> words;
    StepReader steps(schedule_);
    for (const auto id : order_) {
      const auto step = steps(id);
      key_of(id, step, words);
      const auto lane = known.number(words);
      if (lane == lanes.size()) lanes.push_back({step.executor, 0, 0});
      lane_of.push_back(static_cast<std::uint32_t>(lane));
    }
    std::vector<std::size_t> next(static_cast<std::size_t>(schedule_.ranks()) + 1);  // by rank: where its next lane goes
    for (const auto& lane : lanes) ++next[lane.rank.index() + 1];
    std::partial_sum(next.begin(), next.end(), next.begin());
    std::vector<LaneId> number;
    number.reserve(lanes.size());
    program_.lanes.resize(lanes.size());
    for (const auto& lane : lanes) {
      number.emplace_back(static_cast<std::int64_t>(next[lane.rank.index()]++));
      program_.lanes[number.back().index()] = lane;
    }
    places_.resize(schedule_.step_count());
    for (std::size_t i = 0; i < order_.size(); ++i) {
      const auto lane = number[lane_of[i]];
      places_[order_[i].index()] = {lane, static_cast<std::int32_t>(program_.lanes[lane.index()].count++)};
    }
    std::uint32_t first = 0;
    for (auto& lane : program_.lanes) {
      lane.first = first;
      first += lane.count;
    }
  }

  void fill_instructions() {
    program_.instructions.resize(order_.size());
    program_.operands.reserve(operands_);
    StepReader steps(schedule_);
    for (const auto id : order_) {
      const auto step = steps(id);
      const auto& place = places_[id.index()];
      const auto chunk = proof_.chunk(id);
      auto& instruction = program_.instructions[program_.lanes[place.lane.index()].first + static_cast<std::uint32_t>(place.instruction)];
      instruction.step = id;
      instruction.bytes = extents_[chunk.index()].count * size_of(program_.payload.type);
      instruction.operands = static_cast<std::uint32_t>(program_.operands.size());
      instruction.sources = static_cast<std::uint16_t>(step.sources.size());
      instruction.destinations = static_cast<std::uint16_t>(step.destinations.size());
      instruction.divides = program_.payload.op == ReduceOp::average && reduces(program_.collective.kind) && proof_.completes(id);
      instruction.divisor = static_cast<std::int32_t>(schedule_.block_of(chunk).contributors.size());
      for (std::size_t i = 0; i < step.sources.size(); ++i) add_operand(step.sources[i], step, i);
      for (std::size_t i = 0; i < step.destinations.size(); ++i) add_operand(step.destinations[i], step, step.sources.size() + i);
    }
  }

  void add_operand(const Location& named, const Step& step, std::size_t which) {
    const auto location = resolve(named);
    program_.operands.push_back({location.rank, location.buffer, step.routes.empty() ? default_route : step.routes[which], offset_of(location)});
  }

  std::int64_t offset_of(const Location& location) const {
    if (location.buffer == Buffer::scratch || location.buffer == Buffer::host) return slots_.offset(location);
    const auto block = schedule_.chunks()[location.slot].block;
    const auto start = location.buffer == Buffer::input ? buffers_.input_offset(location.rank, block) : buffers_.output_offset(location.rank, block);
    return start + extents_[location.slot].first * size_of(program_.payload.type);
  }

  const Schedule& schedule_;
  const Proof& proof_;
  bool one_memory_;
  std::vector<ChunkExtent> extents_;
  BufferLayout buffers_;
  SlotLayout slots_;
  Program program_;
  std::vector<bool> dropped_;
  std::vector<StepId> order_;
  std::size_t operands_ = 0;  // of these steps
  std::vector<StepPlace> places_;
};

}  // namespace

Result<Program> lower(const Schedule& schedule, const Proof& proof, const Payload& payload, const Tuning& tuning, const PeerAccess& peer_access,
                      CallerMemory memory) {
  expects(memory == CallerMemory::as_proved || proof.in_place());
  if (auto ok = check(payload, tuning); !ok) return std::move(ok).error();
  auto program = Lowering{schedule, proof, payload, tuning, memory}.run();
  program.packets = choose_packets(program, peer_access);
  return program;
}

}  // namespace p2plab
