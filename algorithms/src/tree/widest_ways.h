// SPDX-License-Identifier: Apache-2.0
// How wide the ways between members are, and trees along the widest.
#pragma once

#include <map>
#include <vector>

#include "tree/search.h"

namespace p2plab {

class WidestWays {
 public:
  /// Which ways between parent and child count: those away from the root, those towards it, or both.
  struct Directions {
    bool down = false;
    bool up = false;
  };
  WidestWays(const Routes& routes, std::span<const Rank> members, Directions directions);

  /// Bytes per second from a parent to a child in the directions that count; 0 if there is no route.
  std::int64_t width(int parent, int child) const;
  /// Prim's algorithm: always the widest way out of the tree, from the highest place, at most `arity` children of each width. Widths above `cap`
  /// count as equal. An empty order means that the members are not spanned.
  Tree grow(int root, int arity, std::int64_t cap);
  /// The members in an order in which neighbours are near: always on to the widest, then nearest, one left.
  std::vector<int> walk_from(int root);

 private:
  // Children [begin, end) to which the way is as wide.
  struct Children {
    int begin = 0;
    int end = 0;
    std::int64_t width = 0;
  };
  using Stretches = std::vector<Children>;
  struct Onward;

  const std::vector<Stretches>& neighbours(std::int64_t cap);
  static bool move_on(Onward& from, int arity, const Tree& tree);

  std::vector<Stretches> widths_;                              // by parent, all children
  std::map<std::int64_t, std::vector<Stretches>> neighbours_;  // by cap: by parent, widest first
};

}  // namespace p2plab
