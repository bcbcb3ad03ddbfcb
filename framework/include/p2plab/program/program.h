// SPDX-License-Identifier: Apache-2.0
// A verified schedule lowered for one payload: per rank a few ordered lanes of move-and-add instructions with the waits that carry every
// dependency. Plain data: it is what the simulator times, what the executors interpret and what exporters translate.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "p2plab/base/ids.h"
#include "p2plab/base/units.h"
#include "p2plab/program/tuning.h"
#include "p2plab/schedule/payload.h"
#include "p2plab/schedule/rank_images.h"
#include "p2plab/schedule/schedule.h"

namespace p2plab {

/// A byte range that an instruction reads or writes: `bytes` of the instruction, from `offset` in the rank's buffer.
struct Operand {
  Rank rank;
  Buffer buffer = Buffer::input;
  RouteId route = default_route;
  std::int64_t offset = 0;
};

/// Before slice s of the waiting instruction, slice s of this one (if it has so many) must be complete: its reads done, its writes visible.
/// Slices lie at the same byte positions in every instruction that touches a location (`lower` sees to it), so no other slice can matter.
struct Wait {
  LaneId lane;
  std::int32_t instruction = 0;  // index within that lane
};

/// Reads its sources, adds them in order, writes the sum to its destinations; `bytes` from each operand's offset.
struct Instruction {
  StepId step;  // where it comes from, for messages and traces
  std::int64_t bytes = 0;
  std::uint32_t operands = 0;  // first operand: sources, then destinations
  std::uint16_t sources = 0;
  std::uint16_t destinations = 0;
  std::uint32_t waits = 0;  // first wait
  std::uint32_t wait_count = 0;
  bool divides = false;  // average: the sum becomes complete here, divide by `divisor`
  bool signals = false;  // some other lane waits for it
  bool copies = false;   // packets written out by the simulator: each source, loaded with the others, has destinations of its own
  std::int32_t divisor = 1;

  bool adds() const { return sources > 1 || divides; }
};

/// An ordered stream of instructions of one rank; Tuning::blocks_per_lane thread blocks run it, each on its own slices.
struct Lane {
  Rank rank;
  std::uint32_t first = 0;  // instructions [first, first + count)
  std::uint32_t count = 0;
};

/// The bytes that a rank must provide or that are allocated for it.
struct RankMemory {
  Bytes input{0};
  Bytes output{0};
  Bytes scratch{0};
  Bytes host{0};
};

struct Epilogue;
struct PacketProgram;

/// A program is a value; `lower` makes it.
struct Program {
  Payload payload;
  Tuning tuning;
  bool in_place = false;
  Collective collective;
  std::vector<RankMemory> memory;  // per rank
  std::vector<Lane> lanes;         // by rank, then by order of first use
  std::vector<Instruction> instructions;
  std::vector<Operand> operands;
  std::vector<Wait> waits;
  std::vector<std::uint32_t> route_offsets = {0};  // explicit routes, as in the schedule
  std::vector<LinkId> route_links;
  /// How GPUs run it: packet by packet by this program (program/packet_program.h), or, if it is null, slice by slice as the lanes say.
  std::shared_ptr<const PacketProgram> packets = nullptr;
  /// Of a plan that looks the same from many ranks: who does what whom does (null: not known). Then the simulator settles ties by what ranks have in
  /// common, so that one of them tells what all do.
  std::shared_ptr<const RankImages> images = nullptr;
  /// The lanes are those of the representatives of `images` alone. Waits name lane i * lanes.size() + l: lane l in image i.
  bool folded = false;
  /// What each rank does with the rows of its output once they are complete (program/epilogue.h); null: nothing.
  std::shared_ptr<const Epilogue> epilogue = nullptr;

  int ranks() const { return static_cast<int>(memory.size()); }
  std::span<const Operand> sources(const Instruction& i) const& { return {operands.data() + i.operands, i.sources}; }
  std::span<const Operand> destinations(const Instruction& i) const& { return {operands.data() + i.operands + i.sources, i.destinations}; }
  std::span<const Wait> waits_of(const Instruction& i) const& { return {waits.data() + i.waits, i.wait_count}; }
  std::span<const LinkId> route(RouteId id) const& {
    return {route_links.data() + route_offsets[id.index()], route_offsets[id.index() + 1] - route_offsets[id.index()]};
  }
  const Instruction& at(LaneId lane, std::int32_t instruction) const& {
    return instructions[lanes[lane.index()].first + static_cast<std::uint32_t>(instruction)];
  }
  /// Bytes of each slice of an instruction but perhaps the last: slice s begins at byte s * slice_bytes.
  std::int64_t slice_bytes(const Instruction& i) const { return tuning.slice_of(i.bytes); }
  /// Slices of an instruction: at least one, also when it moves nothing (its signal is still owed).
  std::int64_t slices(const Instruction& i) const {
    const auto slice = slice_bytes(i);
    return slice <= 0 ? 1 : (i.bytes + slice - 1) / slice;
  }
  /// Does any instruction add?
  bool adds() const;
  /// The most lanes of any rank, times blocks per lane: thread blocks a rank needs at once.
  int blocks() const;

  std::span<const Operand> sources(const Instruction& i) && = delete;
  std::span<const Operand> destinations(const Instruction& i) && = delete;
  std::span<const Wait> waits_of(const Instruction& i) && = delete;
  std::span<const LinkId> route(RouteId id) && = delete;
  const Instruction& at(LaneId lane, std::int32_t instruction) && = delete;
};

}  // namespace p2plab
