// SPDX-License-Identifier: Apache-2.0
// What a thread block notes of each step that it takes: when it came to it, when what it waited for was there, and when it was done. Its first thread
// does so, in a part of the rank's ring that is the block's own: so no block asks another for a place. Without Noted no code is made.
#pragma once

#include <cstddef>

#include "device/words.h"
#include "lowered/kernel_args.h"

namespace p2plab::device {

/// Has a value at hand, in the first thread of a block, from here on: what is in a parameter, or made of some, the compiler would make again where it
/// is needed. All threads of a warp come here.
template <class Machine>
constexpr std::uint32_t hold(std::uint32_t value) {
  return Machine::hold(Machine::thread() == 0 ? value : 0);
}
template <class Machine>
constexpr std::uint64_t hold(std::uint64_t value) {
  return hold<Machine>(static_cast<std::uint32_t>(value)) | std::uint64_t{hold<Machine>(static_cast<std::uint32_t>(value >> 32))} << 32;
}
template <class Machine>
constexpr args::CallJournal hold(const args::CallJournal& journal) {
  return {.counts = hold<Machine>(journal.counts), .ring = hold<Machine>(journal.ring), .name = hold<Machine>(journal.name), .mask = journal.mask};
}

template <class Machine, bool Noted>
class StepNotes;

/// One step, from here to the end of the scope. `Notes` outlives it.
template <class Notes>
class StepNote {
 public:
  constexpr StepNote(Notes& notes, std::uint32_t item) : notes_(notes) { notes_.begin_step(item); }
  constexpr ~StepNote() { notes_.end_step(); }
  StepNote(const StepNote&) = delete;
  StepNote& operator=(const StepNote&) = delete;
  StepNote(StepNote&&) = delete;
  StepNote& operator=(StepNote&&) = delete;

 private:
  Notes& notes_;
};

template <class Machine>
class StepNotes<Machine, false> {
 public:
  constexpr explicit StepNotes(const args::CallJournal&) {}
  constexpr StepNotes(const args::CallJournal&, std::uint32_t) {}
  constexpr void begin(std::uint32_t) {}
  struct Nothing {};
  constexpr Nothing note(std::uint32_t) const { return {}; }
  constexpr void waits() const {}
  constexpr void ready() const {}
  constexpr void close() const {}
  static constexpr std::uint32_t name_of(const args::CallJournal& journal, std::uint32_t) { return journal.name; }
};

template <class Machine>
class StepNotes<Machine, true> {
 public:
  /// Before the kernel before this one has ended.
  constexpr explicit StepNotes(const args::CallJournal& journal) {
    mine_ = Machine::hold(journal.ring != 0 && Machine::thread() == 0 && Machine::block() < args::most_noting_blocks ? 1 : 0);
    name_ = journal.name;
    int halvings = 0;  // as many parts as blocks, or more
    while ((1U << halvings) < Machine::blocks() && (1U << halvings) < args::most_noting_blocks) ++halvings;
    const auto size = args::noted_steps >> halvings;
    mask_ = size - 1;
    const auto steps = args::steps_at(journal);
    head_ = hold<Machine>(steps + std::uint64_t{Machine::block()} * 4);
    entries_ = hold<Machine>(steps + sizeof(args::StepHeads) + std::uint64_t{Machine::block()} * size * sizeof(args::StepEntry));
    Machine::settle(head_);
    Machine::settle(entries_);
  }
  constexpr StepNotes(const args::CallJournal& journal, std::uint32_t call) : StepNotes(journal) { begin(call); }
  /// The call begins; its number, the same in all blocks.
  constexpr void begin(std::uint32_t call) {
    call_ = call;
    next_ = Machine::load_32_if(mine_, head_);
  }

  /// From here to the end of the scope `item` is taken.
  constexpr StepNote<StepNotes> note(std::uint32_t item) { return {*this, item}; }
  /// The step is about to wait: time to write what is known of it.
  constexpr void waits() {
    if (written_) return;
    written_ = true;
    ++next_;
    const auto place = Machine::block() | item_ << args::noted_item_shift;
    Machine::store_if(mine_, entry(), {{static_cast<std::uint32_t>(begun_), static_cast<std::uint32_t>(begun_ >> 32), place, next_}});
  }
  /// What the step waited for is there.
  constexpr void ready() {
    if (!there_) ready_ = Machine::now();
    there_ = true;
  }
  /// The call ends for this thread.
  constexpr void close() const { Machine::store_32_if(mine_, head_, next_); }
  /// Replays of one call in a graph have one name: their number is added, so that their steps are told apart.
  static constexpr std::uint32_t name_of(const args::CallJournal& journal, std::uint32_t call) { return named(journal.name, call); }

 private:
  friend class StepNote<StepNotes>;
  constexpr void begin_step(std::uint32_t item) {
    item_ = item;
    written_ = false;
    there_ = false;
    ready_ = begun_ = Machine::now();
  }
  constexpr void end_step() {
    const auto ended = Machine::now();
    waits();
    const auto serial_and_ready =
        Machine::template pick<args::low_half_and_byte>(args::StepEntry::folded(next_), static_cast<std::uint32_t>(ready_ >> 32));
    const auto again = Machine::template pick<args::all_but_top_and_byte>(serial_and_ready, static_cast<std::uint32_t>(ended >> 32));
    Machine::store_if(mine_, entry() + 16, {{static_cast<std::uint32_t>(ready_), static_cast<std::uint32_t>(ended), named(name_, call_), again}});
  }
  constexpr std::uint64_t entry() const { return entries_ + std::uint64_t{(next_ - 1) & mask_} * sizeof(args::StepEntry); }
  static constexpr std::uint32_t named(std::uint32_t name, std::uint32_t call) {
    return (name & args::journal_of_graph) != 0 ? name | (call & 0xffff) << args::journal_replay_shift : name;
  }

  std::uint32_t mine_ = 0;
  bool written_ = false;  // the first half of the step's entry
  bool there_ = false;    // what the step waits for
  std::uint32_t item_ = 0;
  std::uint32_t name_ = 0;
  std::uint32_t call_ = 0;  // loaded as the call begins: until a step ends nobody has to wait for it
  std::uint32_t next_ = 0;
  std::uint32_t mask_ = 0;
  std::uint64_t head_ = 0;
  std::uint64_t entries_ = 0;
  std::uint64_t begun_ = 0;
  std::uint64_t ready_ = 0;
};

}  // namespace p2plab::device
