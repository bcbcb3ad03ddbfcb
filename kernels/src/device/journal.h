// SPDX-License-Identifier: Apache-2.0
// A kernel notes when its call began and ended, for those who look on: no launch, no atomic and no wait are added. What a run of a call leaves at its
// end is one vector; the next run of the same call adds it up, at a time when it waits for others anyway. Calls of a rank come one after another, so
// nobody else writes.
#pragma once

#include <cstddef>

#include "device/words.h"
#include "lowered/kernel_args.h"

namespace p2plab::device {

/// Of the first thread of a kernel's first block, from its begin to its end. Without Recorded no code is made. In this order: made, begin, add_up,
/// end.
template <class Machine, bool Recorded = true>
class JournalMark {
 public:
  /// Asks for what earlier runs left of this call: they had ended before the preceding kernel began, so this need not wait for that one.
  constexpr explicit JournalMark(const args::CallJournal& journal) {
    if constexpr (!Recorded) return;
    const bool mine = Machine::block() == 0 && Machine::thread() == 0;
    counted_ = Machine::hold(mine && journal.counts != 0 ? 1 : 0);
    listed_ = Machine::hold(mine && journal.ring != 0 ? 1 : 0);
    known_ = Machine::receive_if(counted_, journal.counts);
    last_ = Machine::receive_if(counted_, journal.counts + args::last_run);
  }

  /// The call begins.
  constexpr void begin(const args::CallJournal& journal) {
    if constexpr (!Recorded) return;
    next_ = Machine::load_32_if(listed_, journal.ring);
    begun_ = Machine::now();
  }

  /// Adds the run before to the counts, and takes a place in the ring.
  constexpr void add_up(const args::CallJournal& journal) {
    if constexpr (!Recorded) return;
    if ((counted_ | listed_) == 0) return;
    entry_ = journal.ring + sizeof(args::JournalRing) + std::uint64_t{next_ & journal.mask} * sizeof(args::JournalEntry);
    Machine::store_32_if(listed_, journal.ring, next_ + 1);
    const bool was_run = last_.w[3] == known_.w[0] + 1;
    const auto time = short_time(args::time_of({last_.w[0], last_.w[1], last_.w[2]}));
    const auto shortest = known_.w[0] == 0 ? 0xffffffff : known_.w[2];
    const Words<4> sums{{known_.w[0] + 1, known_.w[1] + time, time < shortest ? time : shortest, time > known_.w[3] ? time : known_.w[3]}};
    Machine::store_if(was_run ? counted_ : 0, journal.counts, sums);
    run_ = known_.w[0] + (was_run ? 2 : 1);
  }

  /// The call ends; `name` stands in its entry.
  constexpr void end(const args::CallJournal& journal, std::uint32_t name) const {
    if constexpr (!Recorded) return;
    const auto ended = Machine::now();
    const auto highs = Machine::template pick<args::low_halves>(static_cast<std::uint32_t>(begun_ >> 32), static_cast<std::uint32_t>(ended >> 32));
    const Words<4> span{{static_cast<std::uint32_t>(begun_), static_cast<std::uint32_t>(ended), highs, run_}};
    Machine::store_if(counted_, journal.counts + args::last_run, span);
    Machine::store_if(listed_, entry_, {{span.w[0], span.w[1], span.w[2], name}});
  }

  /// Of a call of several kernels: the first one leaves when it began ...
  constexpr void leave(const args::CallJournal& journal) const {
    if ((counted_ | listed_) == 0) return;
    Machine::template store<2>(left_at(journal), {{static_cast<std::uint32_t>(begun_), static_cast<std::uint32_t>(begun_ >> 32)}});
  }
  /// ... and the last one takes it up.
  constexpr void take_up(const args::CallJournal& journal) {
    if ((counted_ | listed_) == 0) return;
    const auto left = Machine::template load<2>(left_at(journal));
    begun_ = left.w[0] | std::uint64_t{left.w[1]} << 32;
  }

 private:
  static constexpr std::uint64_t left_at(const args::CallJournal& journal) {
    return journal.counts != 0 ? journal.counts + args::left_begin : journal.ring + offsetof(args::JournalRing, begun);
  }

  std::uint32_t counted_ = 0;
  std::uint32_t listed_ = 0;
  Words<4> known_;  // what is added up
  Words<4> last_;   // what the run before left
  std::uint32_t run_ = 0;
  std::uint32_t next_ = 0;
  std::uint64_t entry_ = 0;
  std::uint64_t begun_ = 0;
};

}  // namespace p2plab::device
