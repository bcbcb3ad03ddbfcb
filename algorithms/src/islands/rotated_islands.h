// SPDX-License-Identifier: Apache-2.0
// Members and islands that are alike: what is planned for one part of each island of a level, for one island, or for one member's share, all others
// do, rotated.
#pragma once

#include <optional>
#include <vector>

#include "common/alike.h"
#include "common/data_flow.h"
#include "islands/hierarchy.h"

namespace p2plab {

/// Rotations move each member to that whose digit of one level is higher by as much, around.
class RotatedIslands {
 public:
  /// None where islands differ in size, some rank is no member, or members have shares of their own or are silent.
  static std::optional<RotatedIslands> create(const Hierarchy& hierarchy, const Collective& collective, int ranks, int level);

  std::size_t level() const { return level_; }
  std::size_t rotations() const { return images_.size(); }
  Rank rotated(std::size_t rotation, Rank rank) const { return images_[rotation].ranks[rank.index()]; }
  /// Ends a plan whose steps so far are those of chunks with digit 0: the chunks of the others, rotation by rotation, follow as listed.
  void fold(DataFlow& flow, std::span<const Chunk> others) const { flow.fold(images_, others); }

 private:
  std::size_t level_ = 0;
  std::vector<ScheduleImage> images_;
};

/// Members at places of a grid, one dimension for each level of islands, so that rotations carry islands onto islands.
class RotatedMembers {
 public:
  /// None below `fold_squares_from` members and above 2048, where sums must have one order for all, where some rank is no member, where members have
  /// shares of their own or are silent, and where islands of a level have different numbers of parts.
  static std::optional<RotatedMembers> create(const Topology& topology, const Collective& collective, const PlanContext& context);

  std::size_t size() const { return members_.size(); }
  Rank first() const { return members_[0]; }
  /// The members, the first one first, in the order in which each of them is met by going on from it.
  const std::vector<Rank>& after() const& { return members_; }
  const std::vector<Rank>& after() && = delete;
  /// The first one, then those from which it is met after as many.
  std::vector<Rank> before() const;
  /// The first member's chunk: of its own block where each has one, else of the only one.
  Chunk first_chunk(bool block_each) const { return chunk_of(0, block_each); }
  /// The others' chunks and images.
  std::vector<Chunk> other_chunks(bool block_each) const;
  std::vector<ScheduleImage> images() const;
  /// Ends a plan that lists what is done with the first member's chunk.
  void fold(DataFlow& flow, bool block_each) const { flow.fold(images(), other_chunks(block_each)); }

 private:
  RotatedMembers(WrappedGrid grid, std::vector<Rank> members, std::vector<std::int32_t> positions)
      : grid_(std::move(grid)), members_(std::move(members)), positions_(std::move(positions)) {}
  Chunk chunk_of(std::size_t place, bool block_each) const { return {block_each ? positions_[place] : 0, 1, 0}; }

  WrappedGrid grid_;
  std::vector<Rank> members_;            // by place
  std::vector<std::int32_t> positions_;  // by place: the member's among all
};

}  // namespace p2plab
