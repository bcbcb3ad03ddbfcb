// SPDX-License-Identifier: Apache-2.0
// Programs for thousands of ranks that all do the same: one rank's part is kept, the others' follow from it as they are needed.
#pragma once

#include <functional>
#include <vector>

#include "p2plab/program/program.h"

namespace p2plab {

/// Ranks lie on a grid that wraps around in every dimension; each does what rank 0 does, seen from its own place. Rank r stands for rank 0's
/// neighbour x at the sum of both places, dimension by dimension.
struct Pattern {
  std::vector<int> extents;  // ranks = their product; the last dimension runs fastest
  /// Lanes of rank 0 alone; ranks in operands as rank 0 sees them; lane j of rank r is LaneId{r * lanes + j}. No explicit routes.
  Program program;

  int ranks() const;
  /// `offset`, seen from `origin`.
  Rank seen_from(Rank origin, Rank offset) const;
};

/// The links from one GPU to another, in order. For machines too large for a table of all routes.
using PathOf = std::function<std::vector<LinkId>(Rank from, Rank to)>;

/// All-reduce around one ring: 2 (n - 1) sends a rank, of `bytes` / n each.
Pattern ring_pattern(int ranks, Bytes bytes, const Tuning& tuning = {});

/// All-to-all: each rank sends `bytes` / n to every other, one lane a peer, nearest first.
Pattern all_to_all_pattern(int ranks, Bytes bytes, const Tuning& tuning = {});

/// All-reduce over `servers` servers of `gpus` each: reduce-scatter around each server, all-reduce of each shard around the GPUs of the same number
/// in all servers, all-gather around each server.
Pattern hierarchical_pattern(int servers, int gpus, Bytes bytes, const Tuning& tuning = {});

/// The same as an ordinary program, all ranks written out. Tests compare both.
Program unfold(const Pattern& pattern);

}  // namespace p2plab
