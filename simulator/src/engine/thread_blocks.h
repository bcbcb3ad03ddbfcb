// SPDX-License-Identifier: Apache-2.0
// Thread blocks: when each slice is issued, sent and complete.
#pragma once

#include <algorithm>
#include <vector>

#include "compile/loops.h"
#include "engine/agenda.h"
#include "engine/links.h"

namespace p2plab {

struct Snapshot;

/// Every (lane, part) is a thread block that works its slices in order: it waits, issues its loads, sends its stores once they are there; a slice is
/// complete when its stores have arrived and all before it are complete. When a transfer's head reaches the last resource of its path, the time of
/// its arrival is known: whoever waits for it is told at once, and comes back at that time.
class ThreadBlocks {
 public:
  explicit ThreadBlocks(Agenda& agenda);
  /// Before the first event; `links` carries the transfers.
  void attach(Links& links) { links_ = &links; }

  void begin();
  /// Issues the slices of a thread block as far as waits, window and rates allow.
  void issue_ready(std::uint32_t block);
  /// Sends the slices whose loads are there.
  void send_ready(std::uint32_t block);
  bool all_complete() const;
  /// Which lanes wait for each other.
  Error stuck() const;

  /// For the links: all of a transfer is where it goes, at its tail's time.
  void arrived(const Transfer& transfer);
  /// Its thread block must not go on before it is told that the first stage (with fair sharing: all stages) has taken it; and now it has, at `time`.
  void hold(const Transfer& transfer);
  void released(const Transfer& transfer, std::int64_t time);
  /// Whose transfer it is, for a recording.
  std::int64_t record_of(const Transfer& transfer) const { return static_cast<std::int64_t>(blocks_[transfer.block].first + transfer.slice); }
  std::uint32_t operand_of(const Transfer& transfer) const;

  std::size_t size() const { return blocks_.size(); }
  std::uint32_t completed(std::size_t block) const { return blocks_[block].completed; }
  /// When each slice was complete: block after block, in order.
  const std::vector<std::int64_t>& completions() const& { return completions_; }
  const std::vector<std::int64_t>& completions() && = delete;
  /// When a thread block has done all its work but for what is still on its way to others.
  std::int64_t free_at(std::size_t block) const { return std::max(blocks_[block].loads_free, blocks_[block].stores_free); }
  /// Does every rank that does anything have some left to do after `time`, which is over?
  bool none_is_free_by(std::int64_t time) const;
  /// Where a thread block's slices begin there.
  std::size_t first_of(std::size_t block) const { return blocks_[block].first; }

  /// For SteadyState. The block that works on the longest rest of an instruction (in loops: of its lane), if it has at least `least` slices to go
  /// there; and its instruction.
  std::uint32_t busiest(std::int64_t least, bool in_loops) const;
  std::uint32_t work_of(std::uint32_t block) const { return blocks_[block].work; }
  /// A hash of a small part of the state: a block's, and how many transfers are under way.
  std::uint64_t glance(std::uint32_t block, std::int64_t memory) const;
  void describe(Snapshot& snapshot, const Loops& loops) const;
  /// For how many more rounds all go on as between `then` and `now`: with whole slices of the same work, and the same waits; or with as many works on
  /// as alike ones follow.
  std::int64_t rounds_left(const Snapshot& then, const Snapshot& now, const Loops& loops, std::int64_t most) const;
  void skip(const Snapshot& then, const Snapshot& now, std::int64_t rounds);

 private:
  static constexpr std::int64_t never = -1;

  struct Block {
    std::uint32_t lane = 0;
    std::uint32_t part = 0;
    std::uint32_t program = 0;
    std::uint32_t work = 0;  // the slice that is next to be issued
    std::uint32_t wait = 0;
    std::uint32_t slice = 0;
    std::uint32_t issued = 0;  // slices so far
    std::uint32_t sent = 0;
    std::uint32_t completed = 0;  // their time of completion is known
    std::uint32_t total = 0;
    std::uint32_t slots = 0;  // its slots: [slots, slots + mask]
    std::uint32_t mask = 0;
    std::uint32_t first_waiter = no_index;
    std::uint32_t least_needed = no_index;  // of its waiters
    std::uint32_t next_waiter = no_index;   // as a waiter in another's list
    std::uint32_t needed = 0;               // as a waiter: completed slices of the other block
    bool listed = false;                    // waits in another block's list
    bool stalled = false;                   // waits for its own slices to complete
    std::int64_t loads_free = 0;            // when the next loads may go out
    std::int64_t stores_free = 0;           // when the next stores may
    std::int64_t issue_due = never;         // time of the latest issue event made and not yet handled
    std::int64_t send_due = never;          // when the oldest slice that was not sent will be
    std::uint32_t storing = 0;              // transfers that keep the block from its next stores
    std::uint32_t loading = 0;              // and from its next loads
    std::int64_t signalled = 0;             // the latest of the signals waited for so far
    std::int64_t cause = -1;                // and whose it was
    std::size_t first = 0;                  // its first slice in `completions_`
  };
  /// A slice on its way.
  struct Slot {
    std::int64_t bytes = 0;
    std::int64_t arrived = 0;  // its loads
    std::int64_t tail = 0;     // its stores
    std::uint32_t work = 0;
    std::uint32_t reads = 0;  // not yet arrived, or not known when
    std::uint32_t writes = 0;
  };

  std::int64_t earliest_issue(Block& block, std::uint32_t index);
  bool waits_known(Block& block, std::uint32_t index, const Work& work);
  bool own_dependency_known(Block& block, const Work& work);
  void schedule_issue(Block& block, std::uint32_t index, std::int64_t time);
  void reconsider(Block& block, std::uint32_t index);
  void issue(Block& block, std::uint32_t index);
  void issue_loads(Block& block, std::uint32_t index, Slot& slot);
  void next_slice(Block& block) const;
  void skip_works_without_slices(Block& block) const;
  void send(Block& block, std::uint32_t index, Slot& slot);
  std::int64_t serve_memory(const Block& block, std::int64_t local);
  void complete(Block& block, std::uint32_t index);
  void wake_waiters(Block& block);
  Transfer transfer_on(const Path& path, std::int64_t wire, std::uint32_t block) const;

  void describe(Snapshot& snapshot, const Block& block, const Loops& loops) const;
  std::int64_t rounds_left(const Snapshot& then, std::size_t block) const;
  std::int64_t rounds_of_loops(const Snapshot& then, const Snapshot& now, const Loops& loops, std::int64_t most) const;
  std::uint32_t oldest_work(const Block& block) const;
  void skip(Block& block, std::uint32_t slices, std::int64_t rounds, std::int64_t period);
  void skip_works(Block& block, std::uint32_t works);

  Slot& slot(const Block& block, std::uint32_t slice) { return slots_[block.slots + (slice & block.mask)]; }
  const Slot& slot(const Block& block, std::uint32_t slice) const { return slots_[block.slots + (slice & block.mask)]; }
  void grow(Block& block);
  const LaneInfo& lane_of(const Block& block) const { return program_.lanes[block.lane]; }
  ProgramCosts& costs_of(const Block& block) { return program_.program_costs[block.program]; }
  Rank rank_of(const Block& block) const { return lane_of(block).rank; }
  /// The block whose slices a wait of this one is for.
  std::size_t awaited(const Block& block, const Awaited& wait) const {
    return std::size_t{program_.awaited_lane(lane_of(block), wait)} * program_.blocks_per_lane +
           (wait.last ? (wait.slices - 1) % program_.blocks_per_lane : block.part);
  }
  std::uint32_t instruction_of(const Block& block, std::uint32_t work) const;
  SliceRecord* record(const Block& block, std::uint32_t slice);

  Agenda& agenda_;
  Compiled& program_;
  Links* links_ = nullptr;
  std::vector<Block> blocks_;
  std::vector<Slot> slots_;
  std::vector<std::int64_t> completions_;
};

}  // namespace p2plab
