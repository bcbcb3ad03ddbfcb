// SPDX-License-Identifier: Apache-2.0
// Members that all do the like: where each sends as many places further on as every other, one's part of a plan and its rotations are the whole.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "common/data_flow.h"

namespace p2plab {

/// Places on a grid that wraps around in every dimension; the first dimension runs fastest.
class WrappedGrid {
 public:
  explicit WrappedGrid(std::vector<std::size_t> extents);

  std::size_t size() const { return size_; }
  /// The place as far on from `from` as `by` is from place 0, dimension by dimension.
  std::size_t moved(std::size_t from, std::size_t by) const { return combined(from, by, false); }
  /// How far `to` is on from `from`.
  std::size_t distance(std::size_t from, std::size_t to) const { return combined(to, from, true); }

 private:
  std::size_t combined(std::size_t a, std::size_t b, bool backwards) const;
  std::vector<std::size_t> extents_;
  std::size_t size_ = 1;
};

/// Members, each at a place of a grid, whose blocks have one sender and one receiver.
class AlikeMembers {
 public:
  /// None if some place sends other distances than place 0, or if a block has several senders or receivers, or nothing in it.
  static std::optional<AlikeMembers> create(WrappedGrid grid, std::vector<Rank> members, std::span<const Block> blocks);

  /// How far the blocks of each place go: nearest first, dimension by dimension.
  const std::vector<std::size_t>& distances() const& { return distances_; }
  const std::vector<std::size_t>& distances() && = delete;
  std::size_t size() const { return grid_.size(); }
  Rank member(std::size_t place) const { return members_[place]; }
  /// The block that place `from` sends as the one number `which` of its distances.
  std::int32_t block(std::size_t from, std::size_t which) const { return blocks_[from * distances_.size() + which]; }

  /// How each place's part follows from that of place 0, and the chunks of the others: one for each distance, in order.
  std::vector<ScheduleImage> images(int ranks) const;
  std::vector<Chunk> other_chunks() const;
  /// Ends a plan whose steps so far are those of place 0, one chunk for each distance in order: every other place does the same, rotated.
  void fold(DataFlow& flow, int ranks) const { flow.fold(images(ranks), other_chunks()); }

 private:
  AlikeMembers(WrappedGrid grid, std::vector<Rank> members) : grid_(std::move(grid)), members_(std::move(members)) {}
  WrappedGrid grid_;
  std::vector<Rank> members_;  // by place
  std::vector<std::size_t> distances_;
  std::vector<std::int32_t> blocks_;  // by sender's place, then as in `distances_`
};

/// From so many members on, plans whose steps grow with the members' square are folded: the square root of what others may list.
std::size_t fold_squares_from(const PlanContext& context);

/// By rank: where a turn by so many places brings it.
std::vector<Rank> turned_by(std::size_t places, const std::vector<Rank>& circle);

/// The images of a turn by so many places, a divisor of their number, and of all its multiples; the first one turns nothing.
std::vector<ScheduleImage> all_turns_by(std::size_t places, const std::vector<Rank>& circle);

/// May what one member does be done by all others, turned? Not in small groups, where sums must have one order, where some rank is no member, and
/// where members have shares of their own or are silent.
bool may_turn(const Topology& topology, const Collective& collective, const PlanContext& context);

}  // namespace p2plab
