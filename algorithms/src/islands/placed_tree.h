// SPDX-License-Identifier: Apache-2.0
// One of two binary trees over the parts of an island (common/double_binary.h).
#pragma once

#include <vector>

namespace p2plab {

/// Who hangs where, by place of the first tree.
struct PlacedTree {
  std::vector<int> above;   // -1 at the root, place 0
  std::vector<int> depths;  // edges to the root
  int height = 0;
};

/// The first or the second of the two trees over `n` places.
PlacedTree placed_tree(int n, bool second);

}  // namespace p2plab
