// SPDX-License-Identifier: Apache-2.0
// Slice by slice through shared memory, by bulk copies: one thread of a block asks for whole pieces of the sources and sends what is only moved, so
// that few blocks with few threads fill the links. Pieces of the next slices are on their way while this one is added; the flag of a slice is raised
// when its pieces have long been sent, or before the block waits for others. The same source runs on GPUs and, emulated, on the CPU.
#pragma once

#include "device/slice.h"

namespace p2plab::device {

inline constexpr std::uint32_t bulk_piece = 32U << 10;  // bytes; less where an instruction has many sources
inline constexpr std::uint32_t bulk_least_piece = 1U << 10;
inline constexpr std::uint32_t bulk_room = 216U << 10;  // of shared memory for pieces
inline constexpr std::uint32_t bulk_most_stages = 12;   // pieces of each source in that room at once
inline constexpr std::uint32_t bulk_least_stages = 3;
inline constexpr std::uint32_t bulk_most_sources = bulk_room / bulk_least_stages / bulk_least_piece;
inline constexpr std::uint32_t bulk_arrivals = 128;   // in shared memory; before them a word for failures
inline constexpr std::uint32_t bulk_addresses = 256;  // of the instruction's operands: looked up for each piece
inline constexpr std::uint32_t bulk_data = 1024;      // where pieces begin
inline constexpr std::uint32_t bulk_most_operands = (bulk_data - bulk_addresses) / 8;
inline constexpr std::uint32_t bulk_shared_bytes = bulk_data + bulk_room;

/// Can an instruction run by bulk copies? Else it runs as run_instruction does.
constexpr bool bulk_fits(const args::SliceInstruction& instruction) {
  const auto operands = std::uint32_t{instruction.sources} + instruction.destinations;
  return instruction.alignment == args::Alignment::whole && instruction.sources <= bulk_most_sources && operands <= bulk_most_operands &&
         instruction.bytes >= bulk_least_piece;
}

/// Where the flow of pieces stands. One thread does all asking and sending, one instruction after another: so nothing is computed twice here.
struct BulkCursor {
  std::int64_t slice_begin = 0;  // bytes of the instruction
  std::int64_t begin = 0;        // of this piece
  std::int64_t end = 0;          // of the slice's whole vectors
  std::uint32_t ordinal = 0;     // slices of this block before this one
  std::uint32_t count = 0;       // pieces before this one
  std::uint32_t stage = 0;
  std::uint32_t room = 0;  // of the stage, in shared memory
  bool more = false;
};

/// One instruction by one block. All threads make one and call run; thread 0 leads, and where there are others leaves the adding to those of other
/// warps.
template <class Machine, class Combine>
class BulkInstruction {
 public:
  constexpr BulkInstruction(const Combine& combine, const args::SliceCall& call, const SliceContext& context,
                            const args::SliceInstruction& instruction, std::uint32_t number, std::uint32_t shared, std::uint32_t& phases)
      : combine_(combine), call_(call), context_(context), instruction_(instruction), number_(number), shared_(shared), phases_(phases) {
    slice_ = instruction.slice;
    stride_ = slice_ * call.blocks_per_lane;
    adds_ = instruction.sources > 1 || instruction.divides != 0;
    const auto sources = static_cast<std::uint32_t>(instruction.sources);
    while (piece_ * sources * bulk_least_stages > bulk_room) piece_ /= 2;
    stages_ = bulk_room / (piece_ * sources);
    if (stages_ > bulk_most_stages) stages_ = bulk_most_stages;
    sending_ = stages_ > 2 * most_sending ? most_sending : 1;
    work_.slice_begin = slice_ * context.part;
    work_.room = shared_ + bulk_data;
    enter_slice(work_);
    load_ = work_;
  }

  /// False if a wait failed.
  constexpr bool run() {
    const bool leads = Machine::thread() == 0;
    const bool alone = Machine::threads() <= warp;
    const auto operands = std::uint32_t{instruction_.sources} + instruction_.destinations;
    for (auto o = Machine::thread(); o < operands; o += Machine::threads())
      Machine::set_shared_64(shared_ + bulk_addresses + o * 8, call_.addresses[instruction_.operands + o]);
    Machine::bulk_fence();
    Machine::sync();
    bool good = true;
    for (; good && work_.more; advance(work_)) {
      if (leads) good = fill();
      const auto parity = next_parity();
      if (!leads && !adds_) continue;
      if (good && (!leads || alone || !adds_)) good = await_piece(parity);
      if (adds_ && good) {
        add(alone ? 0 : warp);
        Machine::sync();
      }
      if (leads && good) send();
    }
    if (leads && good) flush();
    return !Machine::sync_any(!good);
  }

 private:
  constexpr std::int64_t slice_end(const BulkCursor& at) const {
    const auto end = at.slice_begin + slice_;
    return end < instruction_.bytes ? end : instruction_.bytes;
  }
  constexpr void enter_slice(BulkCursor& at) const {
    at.begin = at.slice_begin;
    at.more = at.begin < instruction_.bytes;
    at.end = at.begin + (slice_end(at) - at.begin) / 16 * 16;
  }
  constexpr std::uint32_t length(const BulkCursor& at) const {
    const auto left = at.end - at.begin;
    return left < std::int64_t{piece_} ? static_cast<std::uint32_t>(left) : piece_;
  }
  constexpr bool ends_slice(const BulkCursor& at) const { return at.begin + piece_ >= at.end; }
  constexpr void advance(BulkCursor& at) const {
    ++at.count;
    ++at.stage;
    at.room += piece_ * instruction_.sources;
    if (at.stage == stages_) {
      at.stage = 0;
      at.room = shared_ + bulk_data;
    }
    at.begin += piece_;
    if (at.begin < at.end) return;
    at.slice_begin += stride_;
    ++at.ordinal;
    enter_slice(at);
  }
  constexpr std::uint32_t arrival(const BulkCursor& at) const { return shared_ + bulk_arrivals + at.stage * 8; }
  constexpr std::uint64_t operand(std::uint32_t number) const { return Machine::load_shared_64(shared_ + bulk_addresses + number * 8); }
  constexpr std::uint64_t flag_offset() const { return std::uint64_t{context_.part} * args::flag_stride; }

  // Of the piece that is to be worked on; all threads keep count.
  constexpr std::uint32_t next_parity() {
    const auto parity = phases_ >> work_.stage & 1U;
    if (length(work_) > 0) phases_ ^= 1U << work_.stage;
    return parity;
  }
  constexpr bool await_piece(std::uint32_t parity) const {
    if (length(work_) == 0) return true;
    while (!Machine::arrived(arrival(work_), parity)) {
      if (Machine::peek_shared(shared_) != 0) return false;
    }
    return true;
  }

  // By the threads from `first` on: sums of the piece, stored where they belong. (By way of shared memory and a bulk store each piece would have to
  // be handed from the threads to the copy engine, which costs more.)
  constexpr void add(std::uint32_t first) const {
    const auto at = work_.room;
    const auto bytes = length(work_);
    const auto step = (Machine::threads() - first) * 16;
    const auto divisor = instruction_.divides != 0 ? instruction_.divisor : 1;
    if (Machine::thread() < first) return;
    for (auto v = (Machine::thread() - first) * 16; v < bytes; v += step * bulk_depth) {
      typename Combine::template Sum<4> sums[bulk_depth];
      for (std::uint32_t s = 0; s < instruction_.sources; ++s) {
        Words<4> values[bulk_depth];
        unroll<bulk_depth>([&](auto k) {
          if (v + k * step < bytes) values[k] = Machine::load_shared(at + s * piece_ + v + k * step);
        });
        unroll<bulk_depth>([&](auto k) { s == 0 ? combine_.start(sums[k], values[k]) : combine_.add(sums[k], values[k]); });
      }
      Words<4> results[bulk_depth];
      unroll<bulk_depth>([&](auto k) { results[k] = combine_.finish(sums[k], divisor); });
      for (std::uint32_t d = 0; d < instruction_.destinations; ++d) {
        const auto to = operand(instruction_.sources + d) + static_cast<std::uint64_t>(work_.begin);
        unroll<bulk_depth>([&](auto k) {
          if (v + k * step < bytes) Machine::template store<4>(to + v + k * step, results[k]);
        });
      }
    }
  }

  // What follows is the leader's.

  // Asks for pieces as far as flags have come and room is free; waits for the flags of the piece that is next to be worked on.
  constexpr bool fill() {
    for (; load_.more && load_.count - work_.count < stages_ - sending_; advance(load_)) {
      if (instruction_.wait_count > 0 && load_.begin == load_.slice_begin && !enter_flagged_slice()) return load_.count != work_.count;
      if (length(load_) > 0) ask();
    }
    return true;
  }
  // False: its flags have not come, and there is still other work; or, with none left, they have not come in time.
  constexpr bool enter_flagged_slice() {
    const auto slice = std::int64_t{context_.part} + std::int64_t{load_.ordinal} * call_.blocks_per_lane;
    if (!flags_have_come(slice)) {
      if (load_.count != work_.count) return false;
      flush();
      if (!await_flags(slice)) {
        Machine::set_shared(shared_, 1);
        return false;
      }
    }
    Machine::bulk_fence();
    return true;
  }
  constexpr bool flags_have_come(std::int64_t slice) const {
    for (std::uint32_t w = 0; w < instruction_.wait_count; ++w) {
      const auto& wait = call_.waits[instruction_.waits + w];
      if (slice < wait.slices && !reached(Machine::acquire(wait.flag + flag_offset()), wanted(wait))) return false;
    }
    return true;
  }
  constexpr bool await_flags(std::int64_t slice) const {
    for (std::uint32_t w = 0; w < instruction_.wait_count; ++w) {
      const auto& wait = call_.waits[instruction_.waits + w];
      const args::HangReport place{1, Machine::block(), number_, w, static_cast<std::uint64_t>(slice)};
      if (slice < wait.slices && !await_flag<Machine>(call_, wait.flag + flag_offset(), wanted(wait), place)) return false;
    }
    return true;
  }
  constexpr std::uint32_t wanted(const args::SliceWait& wait) const { return context_.base + wait.first_value + load_.ordinal + 1; }

  constexpr void ask() {
    const auto bytes = length(load_);
    // What was sent from this room is none of the last groups.
    sending_ == most_sending ? Machine::template bulk_await_read<most_sending>() : Machine::template bulk_await_read<1>();
    Machine::expect(arrival(load_), bytes * instruction_.sources);
    for (std::uint32_t s = 0; s < instruction_.sources; ++s)
      Machine::bulk_load(load_.room + s * piece_, operand(s) + static_cast<std::uint64_t>(load_.begin), bytes, arrival(load_));
  }

  constexpr void send() {
    const auto bytes = length(work_);
    for (std::uint32_t d = 0; d < instruction_.destinations && bytes > 0 && !adds_; ++d)
      Machine::bulk_store(operand(instruction_.sources + d) + static_cast<std::uint64_t>(work_.begin), work_.room, bytes);
    if (!adds_) Machine::bulk_commit();
    if (owed_ && ++groups_since_ == groups_behind) {
      Machine::template bulk_await<groups_behind>();
      pay();
    }
    if (ends_slice(work_)) end_slice();
  }
  constexpr void end_slice() {
    const auto end = slice_end(work_);
    if (work_.end < end) move_odd<Machine>(combine_, instruction_, call_.addresses + instruction_.operands, work_.end, end);
    if (owed_) {
      Machine::template bulk_await<1>();
      pay();
    }
    owed_ = true;
    groups_since_ = 0;
    owed_ordinal_ = work_.ordinal;
  }
  // Everything sent so far is told.
  constexpr void flush() {
    Machine::template bulk_await<0>();
    if (owed_) pay();
  }
  constexpr void pay() {
    raise<Machine>(call_, instruction_.signals, instruction_.signal_count, flag_offset(),
                   context_.base + instruction_.first_value + owed_ordinal_ + 1);
    owed_ = false;
  }

  static constexpr std::uint32_t warp = 32;
  static constexpr int bulk_depth = 4;  // vectors that a thread adds at a time
  static constexpr int most_sending = 2;
  static constexpr int groups_behind = 2;  // pieces that are sent before the flag of the slice before them is raised

  const Combine& combine_;
  const args::SliceCall& call_;
  SliceContext context_;
  args::SliceInstruction instruction_;  // a copy, in registers
  std::uint32_t number_;
  std::uint32_t shared_;
  std::uint32_t& phases_;  // bit s: parity of the phase that stage s waits for; outlives the instruction
  std::int64_t slice_ = 0;
  std::int64_t stride_ = 0;  // from one of this block's slices to the next
  std::uint32_t piece_ = bulk_piece;
  std::uint32_t stages_ = 0;
  std::uint32_t sending_ = 1;  // stages that are left to what is being sent
  bool adds_ = false;
  BulkCursor load_;
  BulkCursor work_;
  bool owed_ = false;  // a slice has been sent whose flag is not raised
  int groups_since_ = 0;
  std::uint32_t owed_ordinal_ = 0;
};

/// The whole kernel, with shared memory of bulk_shared_bytes at `shared`.
template <class Machine, bool Steps = false, class Combine>
constexpr void run_bulk_slices(const Combine& combine, const args::SliceCall& call, std::uint32_t shared) {
  if (Machine::thread() == 0) {
    Machine::set_shared(shared, 0);
    for (std::uint32_t s = 0; s < bulk_most_stages; ++s) Machine::arrival_init(shared + bulk_arrivals + s * 8);
  }
  Machine::bulk_fence();
  Machine::sync();
  std::uint32_t phases = 0;
  run_lane<Machine, Steps>(call, [&](const SliceContext& context, auto& notes, const args::SliceInstruction& instruction, std::uint32_t number) {
    if (!bulk_fits(instruction)) return run_instruction<Machine, false>(combine, call, context, notes, instruction, number);
    [[maybe_unused]] const auto note = notes.note(number);  // of all its slices: they overlap
    return BulkInstruction<Machine, Combine>(combine, call, context, instruction, number, shared, phases).run();
  });
}

}  // namespace p2plab::device
