// The event loop.
#pragma once

#include <cstdint>
#include <vector>

#include "compiled.h"
#include "event_queue.h"
#include "p2plab/simulate.h"

namespace p2plab {

/// Plays a compiled program. Every (lane, part) is a thread block that works its slices in order: it waits, issues its loads, injects its
/// stores once they are there; a slice is complete when its stores have arrived and all before it are complete.
class Engine {
 public:
  /// `recording` may be null.
  Engine(Compiled& compiled, Recording* recording);

  /// Errors: lanes that wait in a circle, the clock's overflow.
  Status run();

  std::int64_t events() const { return queue_.count(); }
  std::int64_t transfers() const { return transfers_made_; }
  /// When each slice was complete: block after block, in order.
  const std::vector<std::int64_t>& log() const& { return log_; }
  const std::vector<std::int64_t>& log() && = delete;
  /// When each slice went to work; same order.
  const std::vector<std::int64_t>& begins() const& { return begins_; }
  const std::vector<std::int64_t>& begins() && = delete;
  /// Where a thread block's slices begin in the log.
  std::size_t log_of(std::size_t block) const { return blocks_[block].log; }

 private:
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  struct Block {
    std::uint32_t instruction = 0;   // the slice that is next to be issued
    std::uint32_t wait = 0;
    std::int64_t slice = 0;
    std::uint32_t issued = 0;        // slices so far
    std::uint32_t injected = 0;
    std::uint32_t complete = 0;
    std::uint32_t total = 0;
    std::int64_t front_free = 0;     // when the next loads may go out
    std::int64_t back_free = 0;      // when the next stores may
    std::int64_t front_due = -1;     // time of the latest front event made and not yet handled
    std::int64_t cause = -1;         // recording: the signal that was waited for
    std::size_t log = 0;
    std::uint32_t slots = 0;         // its slots: [slots, slots + mask]
    std::uint32_t mask = 0;
    std::uint32_t first_waiter = none;
    std::uint32_t least_needed = none;   // of its waiters
    std::uint32_t next_waiter = none;    // as a waiter in another's list
    std::uint32_t needed = 0;            // as a waiter: complete slices of the other block
    Rank rank;
    std::uint32_t part = 0;
    bool listed = false;             // waits in another block's list
    bool stalled = false;            // waits for its own slices to complete
    bool looped = false;             // has paid the loop's cost for the slice at the back
  };
  struct Slot {
    std::uint32_t instruction = 0;
    std::uint16_t reads = 0;         // still under way
    std::uint16_t writes = 0;
    std::int64_t bytes = 0;
  };
  struct Transfer {
    std::int64_t tail = 0;           // when its last byte is through what it has passed
    std::int64_t bytes = 0;
    std::uint32_t stage = 0;
    std::uint32_t end = 0;
    std::uint32_t block = 0;
    std::uint32_t order = 0;         // of its slice in the block
    std::uint32_t operand = 0;
    bool reads = false;
  };

  void front(std::uint32_t block);
  bool may_issue(Block& k, std::uint32_t block);
  bool waits_over(Block& k, std::uint32_t block);
  bool own_dependency_over(Block& k);
  void issue(Block& k, std::uint32_t block);
  void issue_loads(Block& k, std::uint32_t block, Slot& slot);
  void advance(Block& k);
  void back(std::uint32_t block);
  void inject(Block& k, std::uint32_t block, Slot& slot);
  std::int64_t pass(Transfer& t);
  void done(std::uint32_t transfer);
  void complete(std::uint32_t block);
  void wake_waiters(Block& k);

  Slot& slot(const Block& k, std::uint32_t order) { return slots_[k.slots + (order & k.mask)]; }
  void grow(Block& k);
  std::uint32_t make_transfer(const Transfer& transfer);
  std::int64_t launch(std::uint32_t transfer);
  void push(std::int64_t time, EventKind kind, std::uint32_t index);
  void call_front(Block& k, std::uint32_t block, std::int64_t time);
  SliceRecord* record(const Block& k, std::uint32_t order);
  Error stuck() const;

  Compiled& c_;
  const Program& program_;
  Recording* recording_;
  EventQueue queue_;
  std::vector<Block> blocks_;
  std::vector<Slot> slots_;
  std::vector<Transfer> transfers_;
  std::vector<std::uint32_t> unused_;   // transfers
  std::vector<std::int64_t> log_;
  std::vector<std::int64_t> begins_;
  std::int64_t transfers_made_ = 0;
  bool overflow_ = false;
};

}  // namespace p2plab
