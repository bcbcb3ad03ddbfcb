// SPDX-License-Identifier: Apache-2.0
#include "islands/placed_tree.h"

#include <algorithm>

#include "common/double_binary.h"

namespace p2plab {

PlacedTree placed_tree(int n, bool second) {
  std::vector<int> at(static_cast<std::size_t>(n));  // by place in the tree: whose it is
  for (int p = 0; p < n; ++p) at[static_cast<std::size_t>(second ? place_in_second(p, n) : p)] = p;
  PlacedTree tree{std::vector<int>(at.size(), -1), std::vector<int>(at.size()), 0};
  for (int q = 0; q < n; ++q) {
    int depth = 0;
    for (int up = q; up > 0; up = place_above(up, n)) ++depth;
    const auto mine = static_cast<std::size_t>(at[static_cast<std::size_t>(q)]);
    if (q > 0) tree.above[mine] = at[static_cast<std::size_t>(place_above(q, n))];
    tree.depths[mine] = depth;
    tree.height = std::max(tree.height, depth);
  }
  return tree;
}

}  // namespace p2plab
