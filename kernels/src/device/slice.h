// SPDX-License-Identifier: Apache-2.0
// The slice-by-slice interpreter: one block runs one part of one lane: waits for flags, moves and adds a slice with all its threads, raises flags.
// The same source runs on GPUs and, with a Machine of atomics and one thread a block, on the CPU.
#pragma once

#include "device/journal.h"
#include "device/shifted.h"
#include "device/steps.h"
#include "device/words.h"
#include "lowered/kernel_args.h"

namespace p2plab::device {

inline constexpr int copy_depth = 8;    // vectors in flight per thread when copying
inline constexpr int reduce_depth = 2;  // the same when adding, times reduce_group sources
inline constexpr int reduce_group = 4;

/// The value of a flag has reached `wanted`, counted modulo 2^32.
constexpr bool reached(std::uint32_t value, std::uint32_t wanted) { return static_cast<std::int32_t>(value - wanted) >= 0; }

/// Waits for a flag. False after the deadline, with a report.
template <class Machine>
constexpr bool await_flag(const args::SliceCall& call, std::uint64_t flag, std::uint32_t wanted, const args::HangReport& place) {
  std::uint64_t started = 0;
  for (std::uint32_t spins = 1; !reached(Machine::acquire(flag), wanted); ++spins) {
    if (spins % Machine::spins_between_checks != 0) continue;
    if (started == 0) started = Machine::now();
    const bool late = Machine::now() - started > call.timeout;
    if (!late && Machine::peek(call.abort) == 0) continue;
    if (late) Machine::report(call.report, call.abort, place);
    return false;
  }
  return true;
}

/// One vector per thread and depth, from one source to all destinations; bytes [begin, end) of the instruction, both multiples of 16.
template <class Machine, int Depth>
constexpr void copy_vectors(const std::uint64_t* operands, int destinations, std::int64_t begin, std::int64_t end) {
  const std::int64_t step = std::int64_t{Machine::threads()} * 16;
  const std::uint64_t from = operands[0];
  for (auto at = begin + std::int64_t{Machine::thread()} * 16; at < end; at += step * Depth) {
    Words<4> values[Depth];
    unroll<Depth>([&](auto k) {
      if (at + k * step < end) values[k] = Machine::template load<4>(from + static_cast<std::uint64_t>(at + k * step));
    });
    for (int d = 0; d < destinations; ++d) {
      const auto to = operands[1 + d];
      unroll<Depth>([&](auto k) {
        if (at + k * step < end) Machine::template store<4>(to + static_cast<std::uint64_t>(at + k * step), values[k]);
      });
    }
  }
}

/// The same with a sum over all sources, in their order.
template <class Machine, class Combine, int Depth>
constexpr void reduce_vectors(const Combine& combine, const args::SliceInstruction& instruction, const std::uint64_t* operands, std::int64_t begin,
                              std::int64_t end) {
  const std::int64_t step = std::int64_t{Machine::threads()} * 16;
  const int sources = instruction.sources;
  for (auto at = begin + std::int64_t{Machine::thread()} * 16; at < end; at += step * Depth) {
    typename Combine::template Sum<4> sums[Depth];
    for (int first = 0; first < sources; first += reduce_group) {
      Words<4> values[Depth][reduce_group];
      unroll<reduce_group>([&](auto g) {
        if (first + g < sources) {
          const auto from = operands[first + g];
          unroll<Depth>([&](auto k) {
            if (at + k * step < end) values[k][g] = Machine::template load<4>(from + static_cast<std::uint64_t>(at + k * step));
          });
        }
      });
      unroll<reduce_group>([&](auto g) {
        if (first + g < sources) {
          unroll<Depth>([&](auto k) { first + g == 0 ? combine.start(sums[k], values[k][g]) : combine.add(sums[k], values[k][g]); });
        }
      });
    }
    Words<4> results[Depth];
    unroll<Depth>([&](auto k) { results[k] = combine.finish(sums[k], instruction.divides != 0 ? instruction.divisor : 1); });
    for (int d = 0; d < instruction.destinations; ++d) {
      const auto to = operands[sources + d];
      unroll<Depth>([&](auto k) {
        if (at + k * step < end) Machine::template store<4>(to + static_cast<std::uint64_t>(at + k * step), results[k]);
      });
    }
  }
}

/// Bytes [begin, end) of an instruction. With `Shifts` every address is as good as multiples of 16 are without it; without it others are slow.
template <class Machine, bool Shifts, class Combine>
constexpr void move(const Combine& combine, const args::SliceInstruction& instruction, const std::uint64_t* operands, std::int64_t begin,
                    std::int64_t end) {
  if constexpr (Shifts) return move_shifted<Machine>(combine, instruction, operands, begin, end);
  if (instruction.alignment != args::Alignment::whole) return move_odd<Machine>(combine, instruction, operands, begin, end);
  const auto whole = begin + (end - begin) / 16 * 16;
  if (instruction.sources == 1 && instruction.divides == 0) {
    copy_vectors<Machine, copy_depth>(operands, instruction.destinations, begin, whole);
  } else {
    reduce_vectors<Machine, Combine, reduce_depth>(combine, instruction, operands, begin, whole);
  }
  if (whole < end) move_odd<Machine>(combine, instruction, operands, whole, end);
}

/// Where a block stands.
struct SliceContext {
  std::uint32_t part = 0;
  std::uint32_t call = 0;  // number of this call
  std::uint32_t base = 0;  // what flags showed when it began
};

/// Raises flags at addresses[first, first + count) to `value`, after everything that this block has done.
template <class Machine>
constexpr void raise(const args::SliceCall& call, std::uint32_t first, std::uint32_t count, std::uint64_t offset, std::uint32_t value) {
  if (count == 0 || Machine::thread() != 0) return;
  Machine::fence();
  for (std::uint32_t i = 0; i < count; ++i) Machine::store_flag(call.addresses[first + i] + offset, value);
}

/// All slices of one instruction that belong to this block. False if a wait failed.
template <class Machine, bool Shifts, class Combine, class Notes>
constexpr bool run_instruction(const Combine& combine, const args::SliceCall& call, const SliceContext& context, Notes& notes,
                               const args::SliceInstruction& instruction, std::uint32_t number) {
  const auto slice = instruction.slice;
  const std::uint64_t flag_offset = std::uint64_t{context.part} * args::flag_stride;
  std::uint32_t ordinal = 0;
  for (std::int64_t s = context.part; s * slice < instruction.bytes; s += call.blocks_per_lane, ++ordinal) {
    [[maybe_unused]] const auto note = notes.note(number);
    bool failed = false;
    if (instruction.wait_count > 0) notes.waits();
    for (auto w = Machine::thread(); w < instruction.wait_count; w += Machine::threads()) {
      const auto& wait = call.waits[instruction.waits + w];
      if (s >= wait.slices) continue;
      const args::HangReport place{1, Machine::block(), number, w, static_cast<std::uint64_t>(s)};
      failed = failed || !await_flag<Machine>(call, wait.flag + flag_offset, context.base + wait.first_value + ordinal + 1, place);
    }
    if (instruction.wait_count > 0 && Machine::sync_any(failed)) return false;
    notes.ready();
    const auto begin = s * slice;
    const auto end = begin + slice < instruction.bytes ? begin + slice : instruction.bytes;
    move<Machine, Shifts>(combine, instruction, call.addresses + instruction.operands, begin, end);
    Machine::sync();
    raise<Machine>(call, instruction.signals, instruction.signal_count, flag_offset, context.base + instruction.first_value + ordinal + 1);
  }
  return true;
}

/// Waits for flags at addresses[first, first + count), shared among the block's threads. The answer is the same in all threads.
template <class Machine>
constexpr bool await_all(const args::SliceCall& call, std::uint32_t first, std::uint32_t count, std::uint64_t offset, std::uint32_t wanted,
                         std::uint32_t item) {
  if (count == 0) return true;
  bool failed = false;
  for (auto i = Machine::thread(); i < count; i += Machine::threads()) {
    failed = failed || !await_flag<Machine>(call, call.addresses[first + i] + offset, wanted, {1, Machine::block(), item, i, 0});
  }
  return !Machine::sync_any(failed);
}

/// Block `block` in this call.
constexpr SliceContext context_of(const args::SliceCall& call, std::uint32_t block) {
  SliceContext context;
  context.part = block % call.blocks_per_lane;
  context.call = call.calls[block];
  context.base = context.call * call.stride;
  return context;
}

/// Before a block's first instruction: says that this rank has begun, and waits for those whose memory the block's lane touches.
template <class Machine>
constexpr bool begin_lane(const args::SliceCall& call, const SliceContext& context, std::uint32_t lane_index) {
  if (Machine::block() == 0) raise<Machine>(call, call.start_signals, call.start_signal_count, 0, context.call + 1);
  if (lane_index >= call.lane_count) return true;
  const auto& lane = call.lanes[lane_index];
  return await_all<Machine>(call, lane.start_waits, lane.start_wait_count, 0, context.call + 1, args::item_start);
}

/// After its last one, `good` if nothing failed: says so to those whose memory the lane touched, and waits for those who touch this rank's.
template <class Machine>
constexpr void end_lane(const args::SliceCall& call, const SliceContext& context, std::uint32_t lane_index, bool good) {
  const std::uint64_t flag_offset = std::uint64_t{context.part} * args::flag_stride;
  if (lane_index < call.lane_count) {
    const auto& lane = call.lanes[lane_index];
    Machine::sync();
    if (good) raise<Machine>(call, lane.done_signals, lane.done_signal_count, flag_offset, context.base + call.stride);
  }
  if (good && lane_index == 0)
    await_all<Machine>(call, call.closing, call.closing_count, flag_offset, context.base + call.stride, args::item_closing);
  Machine::sync();
  if (Machine::thread() == 0) call.calls[Machine::block()] = context.call + 1;
}

/// The whole kernel, `run` being one instruction by this block. A rank begins by telling those who touch its memory, and ends when all of them have
/// ended: so between calls nobody reads or writes another's buffers. All blocks must be resident at once. With `Steps` they are noted.
template <class Machine, bool Steps, class Run>
constexpr void run_lane(const args::SliceCall& call, const Run& run) {
  const auto lane_index = Machine::block() / call.blocks_per_lane;
  const auto context = context_of(call, Machine::block());
  JournalMark<Machine> mark(call.journal);
  mark.begin(call.journal);
  StepNotes<Machine, Steps> notes(call.journal, context.call);
  bool good = begin_lane<Machine>(call, context, lane_index);
  if (lane_index < call.lane_count) {
    const auto& lane = call.lanes[lane_index];
    for (std::uint32_t i = 0; good && i < lane.count; ++i) good = run(context, notes, call.instructions[lane.first + i], i);
  }
  end_lane<Machine>(call, context, lane_index, good);
  notes.close();
  mark.add_up(call.journal);
  mark.end(call.journal, notes.name_of(call.journal, context.call));
}

/// The same with each instruction by ordinary loads and stores.
template <class Machine, bool Shifts, bool Steps = false, class Combine>
constexpr void run_slices(const Combine& combine, const args::SliceCall& call) {
  run_lane<Machine, Steps>(call, [&](const SliceContext& context, auto& notes, const args::SliceInstruction& instruction, std::uint32_t number) {
    return run_instruction<Machine, Shifts>(combine, call, context, notes, instruction, number);
  });
}

}  // namespace p2plab::device
