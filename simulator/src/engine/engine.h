// SPDX-License-Identifier: Apache-2.0
// The event loop.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "compile/compiled.h"
#include "engine/event_queue.h"
#include "engine/fair_share.h"
#include "p2plab/simulator/simulate.h"

namespace p2plab {

/// What to keep of a run beside its times. Both may be null.
struct Keep {
  std::vector<std::int64_t>* begins = nullptr;  // when each slice went to work, in the order of `Engine::log`
  Recording* recording = nullptr;               // needs a program, not a pattern
  const Program* program = nullptr;             // with `recording`
  bool every_slice = false;                     // play also what repeats
};

/// Plays a compiled program. Every (lane, part) is a thread block that works its slices in order: it waits, issues its loads, injects its
/// stores once they are there; a slice is complete when its stores have arrived and all before it are complete. When a transfer's head reaches
/// the last resource of its path, the time of its arrival is known: whoever waits for it is told at once, and comes back at that time.
class Engine {
 public:
  Engine(Compiled& compiled, const Keep& keep);

  /// Errors: lanes that wait in a circle, the clock's overflow.
  Status run();

  /// Of a folded program: two heads came to one resource at the same time, so the result may not hold for all ranks.
  bool ambiguous() const { return ambiguous_; }
  std::int64_t events() const { return queue_.count(); }
  std::int64_t transfers() const { return transfers_made_; }
  /// When each slice was complete: block after block, in order.
  const std::vector<std::int64_t>& log() const& { return log_; }
  const std::vector<std::int64_t>& log() && = delete;
  /// Where a thread block's slices begin in the log.
  std::size_t log_of(std::size_t block) const { return blocks_[block].log; }

 private:
  static constexpr std::uint32_t none = ~std::uint32_t{0};
  static constexpr std::int64_t never = -1;

  struct Block {
    std::uint32_t lane = 0;
    std::uint32_t part = 0;
    std::uint32_t work = 0;  // the slice that is next to be issued
    std::uint32_t wait = 0;
    std::uint32_t slice = 0;
    std::uint32_t issued = 0;  // slices so far
    std::uint32_t injected = 0;
    std::uint32_t settled = 0;  // their time of completion is known
    std::uint32_t total = 0;
    std::uint32_t slots = 0;  // its slots: [slots, slots + mask]
    std::uint32_t mask = 0;
    std::uint32_t first_waiter = none;
    std::uint32_t least_needed = none;  // of its waiters
    std::uint32_t next_waiter = none;   // as a waiter in another's list
    std::uint32_t needed = 0;           // as a waiter: settled slices of the other block
    bool listed = false;                // waits in another block's list
    bool stalled = false;               // waits for its own slices to settle
    std::int64_t front_free = 0;        // when the next loads may go out
    std::int64_t back_free = 0;         // when the next stores may
    std::int64_t front_due = never;     // time of the latest front event made and not yet handled
    std::int64_t back_due = never;      // when the oldest slice that was not injected will be
    std::uint32_t storing = 0;          // transfers that keep the block from its next stores
    std::uint32_t loading = 0;          // and from its next loads
    std::int64_t seen = 0;              // the latest of the signals waited for so far
    std::int64_t cause = -1;            // and whose it was
    std::size_t log = 0;
  };
  struct Slot {
    std::int64_t bytes = 0;
    std::int64_t arrived = 0;  // its loads
    std::int64_t tail = 0;     // its stores
    std::uint32_t work = 0;
    std::uint32_t reads = 0;  // not yet arrived, or not known when
    std::uint32_t writes = 0;
  };
  struct Head {
    std::int64_t time = never;
    std::uint64_t cause = 0;
  };
  struct Transfer {
    std::int64_t head = 0;  // when it reaches its stage
    std::int64_t tail = 0;  // when its last byte is through what it has passed
    std::int64_t bytes = 0;
    std::uint32_t first = 0;  // of its path's stages
    std::uint32_t stage = 0;
    std::uint32_t end = 0;
    std::uint32_t block = 0;
    std::uint32_t order = 0;    // of its slice in the block
    std::uint32_t ordinal = 0;  // among the remote operands of its instruction
    bool reads = false;
    bool paces = false;         // its sender waits until its first stage has taken it
    bool alone = false;         // its thread block sends no other slice, so none of its kind is before it
    std::uint32_t next = none;  // behind it in the same queue
  };
  /// Transfers of one thread block over one path that wait at one of its stages.
  struct Queue {
    std::int64_t until = 0;  // when the stage has taken the last one that went in
    std::uint32_t first = none;
    std::uint32_t last = none;
    std::uint32_t count = 0;
    bool due = false;  // an event will come at `until`
  };

  /// What a run looks like between two times: all that decides what follows, relative to that time and to the slices that each block has done.
  struct Moment {
    std::int64_t now = 0;
    std::int64_t memory = 0;  // how long ago a time may be and still matter
    std::int64_t events = 0;
    std::int64_t transfers = 0;
    std::uint64_t glance = 0;
    std::vector<std::uint64_t> state = {};
    std::vector<std::uint32_t> settled = {};  // by block
    std::vector<std::int64_t> busy = {};      // by resource
    std::vector<std::int64_t> bytes = {};

    template <class Value>
    void word(Value value) {
      state.push_back(static_cast<std::uint64_t>(value));
    }
    void since(std::int64_t time) { word(std::max(time - now, -memory)); }
  };
  /// The search for a state that was there before.
  struct Watch {
    std::int64_t next = 0;  // events before the next look
    std::int64_t pause = 0;
    std::int64_t memory = 0;      // how long ago a time may be and still matter
    std::uint32_t leader = none;  // the block whose slices are the beat
    std::uint32_t work = 0;       // its
    std::uint32_t due = 0;        // its slices before the next beat
    std::uint32_t beats = 0;      // since `then`
    std::uint32_t window = 0;     // beats until `then` is given up for a later one
    Moment then = {};
  };

  void prefetch(std::span<const EventQueue::Packed> events) const;
  void handle(const Event& event);
  void front(std::uint32_t block);
  std::int64_t earliest(Block& k, std::uint32_t block);
  bool waits_known(Block& k, std::uint32_t block, const Work& work);
  bool own_dependency_known(Block& k, const Work& work);
  void consider(Block& k, std::uint32_t block);
  void issue(Block& k, std::uint32_t block);
  void issue_loads(Block& k, std::uint32_t block, Slot& slot);
  void advance(Block& k);
  void skip_empty(Block& k);
  void back(std::uint32_t block);
  void inject(Block& k, std::uint32_t block, Slot& slot);
  std::int64_t serve_memory(Block& k, std::int64_t local);
  void settle(Block& k, std::uint32_t block);
  void wake_waiters(Block& k);

  void look_for_period();
  void choose_leader();
  void rest();
  std::uint64_t glance() const;
  Moment moment();
  void add_block(Moment& m, const Block& k);
  void add_transfer(Moment& m, const Transfer& t) const;
  void add_turns(Moment& m);
  const Block& awaited(const Block& k) const;
  std::int64_t rounds_left(std::size_t block) const;
  void skip_rounds(const Moment& now);
  void go_on(Block& k, std::uint32_t slices, std::int64_t rounds, std::int64_t period);

  struct Place {
    std::uint32_t order = 0;
    std::uint32_t ordinal = 0;
  };
  Transfer transfer_on(const Path& path, std::int64_t wire, std::uint32_t block, Place place) const;
  std::int64_t launch(Transfer transfer);
  std::int64_t pass(Transfer& t);
  void hop(std::uint32_t index);
  void move_on(const Transfer& t, std::uint32_t index);
  std::size_t turn_of(std::uint32_t stage, std::uint32_t block) const { return std::size_t{stage} * c_.parts + block % c_.parts; }
  Queue* queue_at(std::size_t turn) { return arbitration_[turn] < 0 ? &queues_[static_cast<std::size_t>(-arbitration_[turn]) - 1] : nullptr; }
  std::int64_t& until_at(std::size_t turn) {
    auto* queue = queue_at(turn);
    return queue != nullptr ? queue->until : arbitration_[turn];
  }
  template <class Visit>
  void each_waiting(const Queue& queue, Visit visit) {
    auto index = queue.first;
    for (std::uint32_t i = 0; i < queue.count; ++i, index = transfers_[index].next) visit(transfers_[index]);
  }
  bool held(const Transfer& t);
  bool may_pass(const Transfer& t);
  void stand_in_line(std::uint32_t index);
  void turn(std::uint32_t turn);
  std::uint32_t leave_queue(std::size_t turn);
  void let_in(std::uint32_t stage, std::uint32_t block);
  void let_go(const Transfer& t, std::int64_t time);
  void finish(const Transfer& t);
  std::int64_t flow_off(std::uint32_t index);
  void drained(std::uint32_t index);
  void share();
  void look_for_tie(std::uint32_t resource);
  std::uint32_t keep_transfer(const Transfer& transfer);

  Slot& slot(const Block& k, std::uint32_t order) { return slots_[k.slots + (order & k.mask)]; }
  const LaneInfo& lane_of(const Block& k) const { return c_.lanes[k.lane]; }
  Rank rank_of(const Block& k) const { return c_.lanes[k.lane].rank; }
  void grow(Block& k);
  void push(std::int64_t time, EventKind kind, std::uint32_t index);
  void call_front(Block& k, std::uint32_t block, std::int64_t time);
  std::uint32_t instruction_of(const Block& k, std::uint32_t work) const;
  SliceRecord* record(const Block& k, std::uint32_t order);
  void record_hop(const Transfer& t, std::uint32_t resource, std::int64_t start, std::int64_t end);
  Error stuck() const;

  Compiled& c_;
  Keep keep_;
  EventQueue queue_;
  std::vector<Block> blocks_;
  std::vector<Slot> slots_;
  std::vector<Transfer> transfers_;  // on their way between two stages
  std::vector<std::uint32_t> unused_;
  std::vector<std::int64_t> arbitration_;  // [stage * parts + part] (a path's stages are one lane's alone): Queue::until, or -1 - index of its queue
  std::vector<Queue> queues_;
  std::vector<std::uint32_t> unused_queues_;
  std::vector<std::int64_t> log_;
  std::int64_t transfers_made_ = 0;
  std::vector<Head> heads_;  // by resource, if folded: the latest one
  FairShare fair_;
  std::vector<FairShare::Drain> drains_;  // ends of flows that events speak of
  std::vector<std::uint32_t> unused_drains_;
  std::vector<FairShare::Drain> fresh_drains_;
  std::vector<std::uint32_t> transfer_of_;  // by flow
  bool share_due_ = false;
  std::uint64_t cause_ = 0;  // counts what sends heads off: a slice's operands go in their own order
  Watch watch_;
  bool overflow_ = false;
  bool ambiguous_ = false;
};

}  // namespace p2plab
