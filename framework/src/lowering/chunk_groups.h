// SPDX-License-Identifier: Apache-2.0
// Which chunks of a folded schedule's base touch the same bytes.
#pragma once

#include <cstddef>
#include <vector>

#include "p2plab/program/program.h"
#include "p2plab/schedule/verify.h"

namespace p2plab {

/// Chunks of one image that lie in one slot, one after another, are one group. Chunks of different groups touch no byte together, however large they
/// are.
class ChunkGroups {
 public:
  ChunkGroups(const Schedule& schedule, const Proof& proof);

  std::size_t count() const { return count_; }
  /// That of a chunk of the base, and of its images.
  std::size_t of(ChunkId chunk) const { return groups_[chunk.index() % groups_.size()]; }

 private:
  std::size_t count_ = 0;
  std::vector<std::size_t> groups_;  // by chunk of the base
};

/// `program` with a lane for each group of chunks in each of its lanes, and without waits for other groups: what is proved of it holds whatever is
/// done with other groups' chunks.
Program lanes_by_group(const Program& program, const Proof& proof, const ChunkGroups& groups);

}  // namespace p2plab
