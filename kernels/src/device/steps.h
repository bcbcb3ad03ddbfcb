// SPDX-License-Identifier: Apache-2.0
// What a thread block notes of each step that it takes: when it came to it, when what it waited for was there, and when it was done. Its first thread
// does so, in a part of the rank's ring that is the block's own: so no block asks another for a place. Without Noted no code is made.
#pragma once

#include <cstddef>

#include "device/words.h"
#include "lowered/kernel_args.h"

namespace p2plab::device {

template <class Machine, bool Noted>
class StepNotes;

/// One step, from here to the end of the scope. `Notes` outlives it.
template <class Notes>
class StepNote {
 public:
  constexpr StepNote(Notes& notes, std::uint32_t item) : notes_(notes), item_(item) { notes_.begin(); }
  constexpr ~StepNote() { notes_.end(item_); }
  StepNote(const StepNote&) = delete;
  StepNote& operator=(const StepNote&) = delete;
  StepNote(StepNote&&) = delete;
  StepNote& operator=(StepNote&&) = delete;

 private:
  Notes& notes_;
  std::uint32_t item_;
};

template <class Machine>
class StepNotes<Machine, false> {
 public:
  constexpr StepNotes(const image::CallJournal&, std::uint32_t) {}
  struct Nothing {};
  constexpr Nothing note(std::uint32_t) const { return {}; }
  constexpr void ready() const {}
  constexpr void close() const {}
  static constexpr const image::CallJournal& named(const image::CallJournal& journal, std::uint32_t) { return journal; }
};

template <class Machine>
class StepNotes<Machine, true> {
 public:
  /// `call`: the number of the call, the same in all blocks.
  constexpr StepNotes(const image::CallJournal& journal, std::uint32_t call) {
    mine_ = journal.ring != 0 && Machine::thread() == 0 && Machine::block() < image::most_noting_blocks;
    if (!mine_) return;
    const auto steps = image::steps_at(journal);
    head_ = steps + std::uint64_t{Machine::block()} * 4;
    next_ = Machine::load_32(head_);
    std::uint32_t parts = 1;
    while (parts < Machine::blocks() && parts < image::most_noting_blocks) parts *= 2;
    mask_ = image::noted_steps / parts - 1;
    entries_ = steps + sizeof(image::StepHeads) + std::uint64_t{Machine::block()} * (mask_ + 1) * sizeof(image::StepEntry);
    name_ = journal.name;
    call_ = call;
  }

  /// From here to the end of the scope `item` is taken.
  constexpr StepNote<StepNotes> note(std::uint32_t item) { return {*this, item}; }
  /// What the step waited for is there.
  constexpr void ready() {
    if (mine_ && ready_ == 0) ready_ = Machine::now();
  }
  /// The call ends. All blocks' threads have come here.
  constexpr void close() const {
    if (mine_) Machine::store_32(head_, next_);
  }
  /// Replays of one call in a graph have one name: their number is added, so that their steps are told apart.
  static constexpr image::CallJournal named(const image::CallJournal& journal, std::uint32_t call) {
    auto mine = journal;
    mine.name = named(journal.name, call);
    return mine;
  }

 private:
  friend class StepNote<StepNotes>;
  constexpr void begin() {
    if (!mine_) return;
    ready_ = 0;
    begun_ = Machine::now();
  }
  constexpr void end(std::uint32_t item) {
    if (!mine_) return;
    const auto ended = Machine::now();
    const auto entry = entries_ + std::uint64_t{next_ & mask_} * sizeof(image::StepEntry);
    const auto waited = ready_ == 0 ? 0 : short_of(ready_ - begun_);
    const auto place = Machine::block() | item << image::noted_item_shift;
    ++next_;
    Machine::template store<4>(entry, {{static_cast<std::uint32_t>(begun_), static_cast<std::uint32_t>(begun_ >> 32), waited, next_}});
    Machine::template store<4>(entry + 16, {{short_of(ended - begun_), named(name_, call_), place, next_}});
  }
  static constexpr std::uint32_t named(std::uint32_t name, std::uint32_t call) {
    return (name & image::journal_of_graph) != 0 ? name | (call & 0xffff) << image::journal_replay_shift : name;
  }
  static constexpr std::uint32_t short_of(std::uint64_t ns) {
    constexpr std::uint64_t longest = 0xffffffff;
    return static_cast<std::uint32_t>(ns < longest ? ns : longest);
  }

  bool mine_ = false;
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
