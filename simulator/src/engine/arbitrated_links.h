// SPDX-License-Identifier: Apache-2.0
// Links that serve one transfer after another, by round-robin arbitration with back-pressure.
#pragma once

#include <vector>

#include "engine/links.h"

namespace p2plab {

/// A transfer's head goes from stage to stage; each stage is booked when the head is there and it is its turn. A thread block has at most one
/// transfer of a path in line at a resource, so those that share it are served in turn; and a transfer is held while the next stage's queue of its
/// kind is longer than the way there. So what is slow further on holds its senders back, not others that use the same links: as credits
/// and separate queues for each input do in switches.
class ArbitratedLinks final : public Links {
 public:
  ArbitratedLinks(Agenda& agenda, ThreadBlocks& blocks);

  std::int64_t launch(Transfer transfer) override;
  void handle(const Event& event) override;
  /// How many (stage, block of its lane) there are; they must fit into an event.
  std::size_t turns() const { return turns_.size(); }

  const Transfer& transfer(std::uint32_t index) const& { return transfers_[index]; }
  const Transfer& transfer(std::uint32_t index) && = delete;

  /// For SteadyState: a transfer that an event speaks of; the queues; and both so many rounds later.
  void describe(Snapshot& snapshot, std::uint32_t transfer) const;
  void describe_queues(Snapshot& snapshot) const;
  void skip(const Snapshot& then, const Snapshot& now, std::int64_t rounds);

 private:
  /// Transfers of one thread block over one path that wait at one of its stages.
  struct Queue {
    std::int64_t until = 0;  // when the stage has taken the last one that went in
    std::uint32_t first = no_index;
    std::uint32_t last = no_index;
    std::uint32_t count = 0;
    bool due = false;  // an event will come at `until`
  };

  void reach_stage(std::uint32_t transfer);
  std::int64_t pass_stage(Transfer& transfer);
  void pass_on(std::uint32_t transfer);
  void travel_on(const Transfer& transfer, std::uint32_t index);
  bool is_held_back(const Transfer& transfer) const;
  bool may_pass(const Transfer& transfer) const;
  void enqueue(std::uint32_t transfer);
  std::uint32_t dequeue(std::size_t turn);
  void serve_turn(std::uint32_t turn);
  void serve_waiting(std::uint32_t stage, std::uint32_t part);
  void describe(Snapshot& snapshot, const Transfer& transfer) const;
  void record_hop(const Transfer& transfer, std::uint32_t resource, std::int64_t start, std::int64_t end);

  std::size_t turn_of(std::uint32_t stage, std::uint32_t part) const { return std::size_t{stage} * program_.blocks_per_lane + part; }
  const Queue* queue_at(std::size_t turn) const { return turns_[turn] < 0 ? &queues_[static_cast<std::size_t>(-turns_[turn]) - 1] : nullptr; }
  Queue* queue_at(std::size_t turn) { return turns_[turn] < 0 ? &queues_[static_cast<std::size_t>(-turns_[turn]) - 1] : nullptr; }
  std::int64_t& busy_until(std::size_t turn) {
    auto* queue = queue_at(turn);
    return queue != nullptr ? queue->until : turns_[turn];
  }
  template <class Visit>
  void each_waiting(const Queue& queue, Visit visit) const {
    auto index = queue.first;
    for (std::uint32_t i = 0; i < queue.count; ++i, index = transfers_[index].next) visit(index);
  }

  /// Whatever touches a resource is an event of its own, so that MomentOrder says whose turn it is.
  bool in_order_;
  // [stage * blocks_per_lane + part] (a path's stages are one lane's alone): until when its last transfer keeps the stage, or -1 - index of its
  // queue.
  std::vector<std::int64_t> turns_;
  std::vector<Queue> queues_;
  std::vector<std::uint32_t> unused_queues_;
};

}  // namespace p2plab
