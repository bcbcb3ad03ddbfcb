// SPDX-License-Identifier: Apache-2.0
// Moves a slice whose operands do not lie at multiples of 16: destinations are written in whole vectors all the same, and a source that lies
// otherwise is loaded in whole vectors of its own, of which two neighbours make one. In a kernel of
// its own, for the aligned one has no registers to spare.
#pragma once

#include "device/words.h"
#include "lowered/kernel_args.h"

namespace p2plab::device {

inline constexpr int shifted_copy_rows = 8;    // vectors in flight per thread when copying
inline constexpr int shifted_reduce_rows = 2;  // the same when adding, times shifted_group sources
inline constexpr int shifted_group = 4;
inline constexpr int edge_piece = 8;   // bytes of the ends that a thread moves
inline constexpr int edge_pieces = 4;  // of each end, which is shorter than two vectors

/// What one thread moves: bytes [at, at + bytes) of the instruction, at most 16; `begin` and `end` are the slice's.
template <class Machine, class Combine>
constexpr void move_piece(const Combine& combine, const args::SliceInstruction& instruction, const std::uint64_t* operands, std::int64_t begin,
                          std::int64_t at, std::int64_t end) {
  const int sources = instruction.sources;
  const auto load = [&](int s) { return load_some<Machine, 4>(operands[s] + static_cast<std::uint64_t>(at), end - at, at - begin); };
  auto value = load(0);
  if (sources > 1 || instruction.divides != 0) {
    typename Combine::template Sum<4> sum;
    combine.start(sum, value);
    for (int s = 1; s < sources; ++s) combine.add(sum, load(s));
    value = combine.finish(sum, instruction.divides != 0 ? instruction.divisor : 1);
  }
  for (int d = 0; d < instruction.destinations; ++d) store_some<Machine, 4>(operands[sources + d] + static_cast<std::uint64_t>(at), value, end - at);
}

/// Any addresses, any end: 16 bytes a thread in units that fit, one at a time.
template <class Machine, class Combine>
constexpr void move_odd(const Combine& combine, const args::SliceInstruction& instruction, const std::uint64_t* operands, std::int64_t begin,
                        std::int64_t end) {
  for (auto at = begin + std::int64_t{Machine::thread()} * 16; at < end; at += std::int64_t{Machine::threads()} * 16)
    move_piece<Machine>(combine, instruction, operands, begin, at, end);
}

/// Bytes [begin, end) of an instruction: whole vectors of its destinations.
struct VectorRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

/// The vectors of destinations within [begin, end), less one at either end where a source's vectors would reach beyond. Both ends that are left are
/// shorter than two vectors, unless there are no vectors.
constexpr VectorRange vectors_within(const args::SliceInstruction& instruction, const std::uint64_t* operands, std::int64_t begin, std::int64_t end) {
  const auto rest = [](std::uint64_t address) { return static_cast<std::int64_t>(address % 16); };
  const auto destination = operands[instruction.sources] + static_cast<std::uint64_t>(begin);
  const auto head = (16 - rest(destination)) % 16;
  const auto tail = rest(destination + static_cast<std::uint64_t>(end - begin));
  VectorRange range{begin + head, end - tail};
  for (int s = 0; s < instruction.sources; ++s) {
    const auto shift = rest(operands[s] + static_cast<std::uint64_t>(begin + head));
    if (shift == 0) continue;
    if (shift > head) range.begin = begin + head + 16;
    if (16 - shift > tail) range.end = end - tail - 16;
  }
  return range;
}

/// Rows of vectors, one a thread of a warp: Rows of them for the vectors of destinations from `at` on, and thread 0's next one. Only as far as `end`
/// needs them.
template <class Machine, int Rows>
constexpr void load_rows(std::uint64_t source, std::int64_t at, std::int64_t end, Words<4> (&rows)[Rows + 1]) {
  constexpr auto row = std::int64_t{Machine::warp_threads} * 16;
  const auto shift = (source + static_cast<std::uint64_t>(at)) % 16;
  const auto last = shift == 0 ? end : end + 16;
  const auto from = source - shift;
  unroll<Rows>([&](auto k) {
    if (at + k * row < last) rows[k] = Machine::template load<4>(from + static_cast<std::uint64_t>(at + k * row));
  });
  const bool first_thread = Machine::thread() % Machine::warp_threads == 0;
  if (first_thread && shift != 0 && at + Rows * row < last)
    rows[Rows] = Machine::template load<4>(from + static_cast<std::uint64_t>(at + Rows * row));
}

/// Makes of them the vectors as destinations have them. All threads of a warp come here.
template <class Machine, int Rows>
constexpr void shift_rows(std::uint64_t source, std::int64_t at, Words<4> (&rows)[Rows + 1]) {
  const auto shift = static_cast<std::uint32_t>((source + static_cast<std::uint64_t>(at)) % 16);
  if (shift == 0) return;
  const bool first_thread = Machine::thread() % Machine::warp_threads == 0;
  unroll<Rows>([&](auto k) {
    // The last thread's neighbour is the first one's vector of the next row.
    Words<4> given;
    unroll<4>([&](auto i) { given.w[i] = first_thread ? rows[k + 1].w[i] : rows[k].w[i]; });
    rows[k] = straddle(rows[k], Machine::next_lane(given), shift);
  });
}

template <class Machine, int Rows>
constexpr void store_rows(const std::uint64_t* destinations, int count, std::int64_t at, std::int64_t end, const Words<4>* rows) {
  constexpr auto row = std::int64_t{Machine::warp_threads} * 16;
  for (int d = 0; d < count; ++d) {
    const auto to = destinations[d];
    unroll<Rows>([&](auto k) {
      if (at + k * row < end) Machine::template store<4>(to + static_cast<std::uint64_t>(at + k * row), rows[k]);
    });
  }
}

/// Calls body(at) with this thread's first byte of every Rows rows that are its warp's to move; all its threads together.
template <class Machine, int Rows, class Body>
constexpr void each_rows(const VectorRange& range, Body&& body) {
  constexpr auto bytes = std::int64_t{Machine::warp_threads} * 16 * Rows;
  const auto groups = Machine::threads() / Machine::warp_threads;
  const auto group = Machine::thread() / Machine::warp_threads;
  if (group >= groups) return;
  for (auto first = range.begin + group * bytes; first < range.end; first += groups * bytes)
    body(first + std::int64_t{Machine::thread() % Machine::warp_threads} * 16);
}

template <class Machine, int Rows>
constexpr void copy_shifted(const std::uint64_t* operands, int destinations, const VectorRange& range) {
  each_rows<Machine, Rows>(range, [&](std::int64_t at) {
    Words<4> rows[Rows + 1];
    load_rows<Machine, Rows>(operands[0], at, range.end, rows);
    shift_rows<Machine, Rows>(operands[0], at, rows);
    store_rows<Machine, Rows>(operands + 1, destinations, at, range.end, rows);
  });
}

/// The same with a sum over all sources, in their order.
template <class Machine, class Combine, int Rows>
constexpr void reduce_shifted(const Combine& combine, const args::SliceInstruction& instruction, const std::uint64_t* operands,
                              const VectorRange& range) {
  const int sources = instruction.sources;
  each_rows<Machine, Rows>(range, [&](std::int64_t at) {
    typename Combine::template Sum<4> sums[Rows];
    for (int first = 0; first < sources; first += shifted_group) {
      Words<4> rows[shifted_group][Rows + 1];
      unroll<shifted_group>([&](auto g) {
        if (first + g < sources) load_rows<Machine, Rows>(operands[first + g], at, range.end, rows[g]);
      });
      unroll<shifted_group>([&](auto g) {
        if (first + g >= sources) return;
        shift_rows<Machine, Rows>(operands[first + g], at, rows[g]);
        unroll<Rows>([&](auto k) { first + g == 0 ? combine.start(sums[k], rows[g][k]) : combine.add(sums[k], rows[g][k]); });
      });
    }
    Words<4> results[Rows];
    unroll<Rows>([&](auto k) { results[k] = combine.finish(sums[k], instruction.divides != 0 ? instruction.divisor : 1); });
    store_rows<Machine, Rows>(operands + sources, instruction.destinations, at, range.end, results);
  });
}

/// The bytes before and behind `range`, in small pieces, so that no thread has much to wait for.
template <class Machine, class Combine>
constexpr void move_edges(const Combine& combine, const args::SliceInstruction& instruction, const std::uint64_t* operands, std::int64_t begin,
                          const VectorRange& range, std::int64_t end) {
  for (auto i = Machine::thread(); i < 2 * edge_pieces; i += Machine::threads()) {
    const bool head = i < edge_pieces;
    const auto at = (head ? begin : range.end) + std::int64_t{i % edge_pieces} * edge_piece;
    const auto last = head ? range.begin : end;
    if (at < last) move_piece<Machine>(combine, instruction, operands, at, at, at + edge_piece < last ? at + edge_piece : last);
  }
}

/// A slice of an instruction with any addresses.
template <class Machine, class Combine>
constexpr void move_shifted(const Combine& combine, const args::SliceInstruction& instruction, const std::uint64_t* operands, std::int64_t begin,
                            std::int64_t end) {
  const auto range = vectors_within(instruction, operands, begin, end);
  if (instruction.alignment == args::Alignment::none || range.begin >= range.end)
    return move_odd<Machine>(combine, instruction, operands, begin, end);
  move_edges<Machine>(combine, instruction, operands, begin, range, end);
  if (instruction.sources == 1 && instruction.divides == 0) {
    copy_shifted<Machine, shifted_copy_rows>(operands, instruction.destinations, range);
  } else {
    reduce_shifted<Machine, Combine, shifted_reduce_rows>(combine, instruction, operands, range);
  }
}

}  // namespace p2plab::device
