// SPDX-License-Identifier: Apache-2.0
// Derived parallelism: step B waits for an earlier step A exactly if they touch the same location and one of them writes it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "p2plab/schedule/schedule.h"

namespace p2plab {

/// What the steps of a schedule move for one payload.
struct StepLoads {
  /// By step; empty means none: steps that count as not there.
  std::vector<bool> left_out = {};
  /// By step: the bytes that it moves, where chunks of different sizes lie in one slot one after another; empty: all of a location's chunks are
  /// alike. A write of fewer bytes than an earlier access touched leaves that access to be waited for: beyond those bytes nobody else does.
  std::vector<std::int64_t> bytes = {};
  friend auto operator<=>(const StepLoads&, const StepLoads&) = default;
};

/// For each step, the earlier steps it must wait for (read-after-write, write-after-read, write-after-write), without those that follow
/// from another one on the same location; rising and unique. Images of a folded schedule share their lists where they can.
class Dependencies {
 public:
  /// With `in_place`, input and output of a rank count as one location where the same chunk lies in both.
  Dependencies(const Schedule& schedule, bool in_place, const StepLoads& loads = {});
  /// The steps are in `memory` where the schedule is folded, else in this object.
  std::span<const StepId> of(StepId step, std::vector<StepId>& memory) const&;
  std::span<const StepId> of(StepId step, std::vector<StepId>& memory) && = delete;

 private:
  // The lists of the steps of one image.
  struct Lists {
    std::vector<std::size_t> offsets;
    std::vector<StepId> steps;
    std::span<const StepId> of(StepId step) const {
      return {steps.data() + offsets[step.index()], offsets[step.index() + 1] - offsets[step.index()]};
    }
  };
  static Lists lists_of(const Schedule& schedule, bool in_place, const StepLoads& loads);

  Folding folding_;
  std::vector<Lists> lists_;   // one for each choice of steps that some image has
  std::vector<int> of_image_;  // which of them; empty: the first
};

/// Numbers all locations of a schedule, 0..size-1; shared by everything that keeps a table over locations. Inputs and outputs that no rank gives or
/// receives have one number together, so that a chunk of one sender and one receiver takes two places among any number of ranks.
class LocationIndex {
 public:
  /// With `in_place`, the two names of a shared chunk get one number.
  LocationIndex(const Schedule& schedule, bool in_place);
  std::size_t size() const { return size_; }
  std::size_t operator()(const Location& location) const {
    switch (location.buffer) {
      case Buffer::input: return in_row(inputs_[location.slot], location.rank);
      case Buffer::output: return in_row((in_place_ ? inputs_ : outputs_)[location.slot], location.rank);
      default: return base_[location.rank.index() * 2 + (location.buffer == Buffer::scratch ? 0 : 1)] + location.slot;
    }
  }

 private:
  // A chunk's places.
  struct Row {
    std::size_t first = 0;
    std::uint32_t members = 0;  // where those who have a place are listed
    std::uint32_t count = 0;
  };
  static constexpr std::uint32_t every_rank = static_cast<std::uint32_t>(-1);  // has a place; none is listed
  std::size_t in_row(const Row& row, Rank rank) const {
    if (row.count == every_rank) return row.first + rank.index();
    for (std::uint32_t i = 0; i < row.count; ++i) {
      if (members_[row.members + i] == rank) return row.first + i;
    }
    return nobodys_;
  }
  Row row_of(std::vector<Rank> members, std::size_t ranks);

  bool in_place_ = false;
  std::size_t size_ = 0;
  std::size_t nobodys_ = 0;
  std::vector<Row> inputs_;  // by chunk; in place of outputs, too
  std::vector<Row> outputs_;
  std::vector<Rank> members_;
  std::vector<std::size_t> base_;  // by rank: of scratch and host memory
};

}  // namespace p2plab
