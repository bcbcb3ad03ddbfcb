// SPDX-License-Identifier: Apache-2.0
// Finds the trees of a forest: the rate that cuts allow, whole capacities at that rate, no switches, a packing.
#pragma once

#include <functional>

#include "forest/cuts/edge_disjoint_packing.h"
#include "forest/direction.h"
#include "p2plab/base/result.h"
#include "p2plab/schedule/collective.h"

namespace p2plab {

struct TreesOfPlan;

/// What to pack: `weights[i]` parts of the data at `members[i]`, each to reach (towards: come from) all members.
struct ForestRequest {
  std::vector<Rank> members;
  std::vector<std::int64_t> weights;
  /// In-trees: data runs from all members to the roots.
  TreeDirection direction = TreeDirection::from_root;
  /// Trees for each unit of weight; 0: as many as the optimum needs.
  std::int64_t trees = 0;
  /// The same for machines that are too large and have too little symmetry; 0: the optimum there too.
  std::int64_t trees_if_irregular = 0;
  /// True when the time is up.
  std::function<bool()> stop = [] { return false; };
  /// Trees that an old plan had, to start from; null: none.
  const TreesOfPlan* previous = nullptr;
  /// Trees that stand for their images may be left so.
  bool fold = false;
};

struct Forest {
  TreeList list;  // paths in the direction of the data
  int height = 0;
  double seconds_per_weight = 0;  // time per byte of weight 1
  double share = 1;               // of the bandwidth that cuts allow
};

/// The best forest. Other GPUs help as relays where that is faster. Groups, node limits and switches with more links out than in are shared out
/// in proportion to their links, which may cost bandwidth. Errors: members that cannot reach each other.
Result<Forest> find_forest(const Topology& topology, const ForestRequest& request);

/// In-trees and out-trees of an all-reduce.
struct ForestsBothWays {
  Forest in;
  Forest out;
  double seconds_per_byte = 0;
};
struct BothWaysRequest {
  std::vector<Rank> members;
  /// Bytes of payload per second that no schedule beats.
  double best_rate = 0;
  /// True when the time is up.
  std::function<bool()> stop = [] { return false; };
  /// As ForestRequest's.
  const TreesOfPlan* previous = nullptr;
  bool fold = false;
};
/// The best forests found; other GPUs help as relays where that is faster. None where no linear program can be solved.
std::optional<ForestsBothWays> find_forests_both_ways(const Topology& topology, const BothWaysRequest& request);

}  // namespace p2plab
