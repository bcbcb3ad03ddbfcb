// SPDX-License-Identifier: Apache-2.0
// A kernel notes when its call began and how long it took, for those who look on: no launch, no atomic and no wait are added. What was there before
// is asked for when the call begins, so that it is there when the call ends. Calls of a rank come one after another, so nobody else writes.
#pragma once

#include "device/words.h"
#include "lowered/kernel_args.h"

namespace p2plab::device {

/// From the begin of a kernel's first block to its end. Without Recorded no code is made.
template <class Machine, bool Recorded = true>
class JournalMark {
 public:
  constexpr explicit JournalMark(const image::CallJournal& journal) : JournalMark(journal, Machine::block() == 0 && Machine::thread() == 0) {}
  /// `mine`: is this the thread that does so?
  constexpr JournalMark(const image::CallJournal& journal, bool mine) {
    mine_ = Recorded && (journal.counts | journal.ring) != 0 && mine;
    if (!mine_) return;
    if (journal.counts != 0) before_ = Machine::template load<4>(journal.counts);
    if (journal.ring != 0) next_ = Machine::load_32(journal.ring);
    begun_ = Machine::now();
  }

  constexpr void end(const image::CallJournal& journal) const {
    if (!mine_) return;
    const auto passed = Machine::now() - begun_;
    // The kernel ends when its last store has arrived, so they go first; a call of more than four seconds has time for others.
    write(journal, static_cast<std::uint32_t>(passed));
    constexpr std::uint32_t longest = 0xffffffff;
    if (passed > longest) write(journal, longest);
  }

  /// Of a call of several kernels: the first one leaves what it knows ...
  constexpr void leave(const image::CallJournal& journal) const {
    if (!mine_) return;
    const auto place = journal.ring != 0 ? journal.ring + offsetof(image::JournalRing, begun) : journal.counts + offsetof(image::CallCounts, begun);
    Machine::template store<2>(place, {{static_cast<std::uint32_t>(begun_), static_cast<std::uint32_t>(begun_ >> 32)}});
  }
  /// ... and the last one takes it up.
  constexpr void take_up(const image::CallJournal& journal) {
    if (!mine_) return;
    const auto place = journal.ring != 0 ? journal.ring + offsetof(image::JournalRing, begun) : journal.counts + offsetof(image::CallCounts, begun);
    const auto left = Machine::template load<2>(place);
    begun_ = left.w[0] | std::uint64_t{left.w[1]} << 32;
  }

 private:
  constexpr void write(const image::CallJournal& journal, std::uint32_t time) const {
    const auto low = static_cast<std::uint32_t>(begun_);
    const auto high = static_cast<std::uint32_t>(begun_ >> 32);
    if (journal.counts != 0) {
      const auto shortest = before_.w[0] == 0 ? 0xffffffff : before_.w[2];
      const auto least = time < shortest ? time : shortest;
      const auto most = time > before_.w[3] ? time : before_.w[3];
      Machine::template store<4>(journal.counts, {{before_.w[0] + 1, before_.w[1] + time, least, most}});
      Machine::template store<4>(journal.counts + 16, {{time, 0, low, high}});
    }
    if (journal.ring != 0) {
      const auto entry = journal.ring + sizeof(image::JournalRing) + std::uint64_t{next_ & journal.mask} * sizeof(image::JournalEntry);
      Machine::template store<4>(entry, {{low, high, time, journal.name}});
      Machine::store_32(journal.ring, next_ + 1);
    }
  }

  bool mine_ = false;
  Words<4> before_;
  std::uint32_t next_ = 0;
  std::uint64_t begun_ = 0;
};

}  // namespace p2plab::device
