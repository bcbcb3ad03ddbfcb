// SPDX-License-Identifier: Apache-2.0
// Hierarchies whose islands are alike: what is planned for one part of each island of a level, or for one island, all others do, rotated.
#pragma once

#include <optional>
#include <vector>

#include "common/data_flow.h"
#include "direct/hierarchy.h"

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

}  // namespace p2plab
