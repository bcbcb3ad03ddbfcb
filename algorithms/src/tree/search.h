// SPDX-License-Identifier: Apache-2.0
// Finds spanning trees of the members that suit a machine: wide links first, low, and with few children where ports are shared.
#pragma once

#include <span>
#include <vector>

#include "p2plab/machine/routes.h"

namespace p2plab {

/// A tree over the members, by their position in the group; the root's parent is -1. `order` lists parents before children.
struct Tree {
  std::vector<int> parents;
  std::vector<int> order;
  int height() const;
  /// Edges from the root down to each member.
  std::vector<int> depths() const;
  /// By member: its parent and its children.
  std::vector<std::vector<int>> neighbours() const;
};

/// What moves along the edges: towards the root, away from it, or both; the whole payload, or each member's own block.
struct TreeTraffic {
  bool up = false;
  bool down = false;
  /// Each member's own share of the payload; empty if the whole payload passes over every edge.
  std::vector<double> shares = {};
};

struct TreeOptions {
  int arity = 0;  // the most children over links of one width; 0: whatever is best
  int trees = 0;  // 1, 2 (two trees, each member inner node of at most one), 0: whatever is best
  int root = -1;  // position of the root; -1: any
  Bytes size{0};  // of the payload; 0 counts as 16 MiB
};

/// One tree, or two that share the payload equally, with the least estimated time: payload through the busiest link plus the hops of the longest
/// path. Candidates: trees grown along the widest routes (so bottlenecks are as wide as any spanning tree's, and servers are filled first) with few
/// and many children, binomial trees, and the two trees of Sanders et al., 2009. Empty if no tree over existing routes spans the members.
std::vector<Tree> find_trees(const Topology& topology, std::span<const Rank> members, const TreeTraffic& traffic, const TreeOptions& options);

/// Bytes per second of the narrowest edge of any spanning tree of two members or more, in its wider direction, are no more than this.
std::int64_t widest_neck(const Routes& routes, std::span<const Rank> members);

}  // namespace p2plab
