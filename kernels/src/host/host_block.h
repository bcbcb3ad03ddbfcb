// SPDX-License-Identifier: Apache-2.0
// One (lane, part) of a program as it runs: where it is, what it waits for, and its published progress.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "host/host_memory.h"
#include "p2plab/detail/combine.h"

namespace p2plab {

/// Instructions finished, and of the next one this part's slices finished: rises monotonically.
struct SliceProgress {
  std::uint64_t packed = 0;
  static SliceProgress before(std::int32_t instruction, std::int64_t own_slices) {
    return {(static_cast<std::uint64_t>(instruction) << 32) + static_cast<std::uint64_t>(own_slices)};
  }
  std::int32_t instruction() const { return static_cast<std::int32_t>(packed >> 32); }
  std::int64_t own_slices() const { return static_cast<std::int64_t>(packed & 0xffffffffU); }
};

/// A block's progress, on a cache line of its own.
struct alignas(64) ProgressCounter {
  std::atomic<std::uint64_t> value{0};
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);  // so that processes can share them

/// The published progress of all blocks: counters of its own, or such as lie in the memory of each rank.
class ProgressBoard {
 public:
  explicit ProgressBoard(const Program& program) : ProgressBoard(program, {}) {}
  /// `shared[r]` has room for the counters of rank r's blocks and holds them already.
  ProgressBoard(const Program& program, std::span<const std::span<ProgressCounter>> shared)
      : blocks_(static_cast<std::size_t>(program.tuning.blocks_per_lane)) {
    if (shared.empty()) owned_ = std::make_unique<ProgressCounter[]>(program.lanes.size() * blocks_);
    std::vector<std::size_t> used(program.memory.size(), 0);
    for (const auto& lane : program.lanes) {
      for (std::size_t part = 0; part < blocks_; ++part) {
        counters_.push_back(shared.empty() ? &owned_[counters_.size()] : &shared[lane.rank.index()][used[lane.rank.index()]++]);
      }
    }
  }
  std::size_t blocks() const { return counters_.size(); }
  std::size_t blocks_per_lane() const { return blocks_; }
  /// All that was written before the progress was published is visible to whoever reads it.
  SliceProgress read(std::size_t block) const { return {counters_[block]->value.load(std::memory_order_seq_cst)}; }
  SliceProgress read(LaneId lane, std::size_t part) const { return read(lane.index() * blocks_ + part); }
  void publish(std::size_t block, SliceProgress progress) { counters_[block]->value.store(progress.packed, std::memory_order_seq_cst); }

 private:
  std::size_t blocks_;
  std::unique_ptr<ProgressCounter[]> owned_;
  std::vector<ProgressCounter*> counters_;
};

/// A block's view of the program. Stateless but for its progress on the board.
class HostBlock {
 public:
  HostBlock(const Program& program, const ProgressBoard& board, std::size_t number)
      : program_(&program),
        board_(&board),
        lane_(static_cast<std::int64_t>(number / board.blocks_per_lane())),
        part_(number % board.blocks_per_lane()) {}

  LaneId lane() const { return lane_; }
  std::size_t part() const { return part_; }
  bool finished(SliceProgress at) const { return static_cast<std::uint32_t>(at.instruction()) == program_->lanes[lane_.index()].count; }
  const Instruction& instruction(SliceProgress at) const { return program_->at(lane_, at.instruction()); }
  /// The slice that comes next.
  std::int64_t slice(SliceProgress at) const {
    return static_cast<std::int64_t>(part_) + at.own_slices() * static_cast<std::int64_t>(board_->blocks_per_lane());
  }

  /// Passes over instructions of which this part has no (more) slices.
  SliceProgress settled(SliceProgress at) const {
    while (!finished(at) && slice(at) >= program_->slices(instruction(at))) at = SliceProgress::before(at.instruction() + 1, 0);
    return at;
  }
  /// The first wait of the next slice that is not satisfied; null if the slice can run.
  const Wait* blocked_by(SliceProgress at) const {
    const auto next = slice(at);
    for (const auto& wait : program_->waits_of(instruction(at))) {
      if (next >= program_->slices(program_->at(wait.lane, wait.instruction))) continue;
      if (board_->read(wait.lane, part_).packed < SliceProgress::before(wait.instruction, at.own_slices() + 1).packed) return &wait;
    }
    return nullptr;
  }

 private:
  const Program* program_;
  const ProgressBoard* board_;
  LaneId lane_;
  std::size_t part_;
};

}  // namespace p2plab
