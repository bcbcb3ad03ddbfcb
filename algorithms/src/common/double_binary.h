// SPDX-License-Identifier: Apache-2.0
// Two binary trees over the same places in which each is an inner node of at most one (Sanders, Speck and Traeff, 2009; NCCL's double binary trees).
#pragma once

namespace p2plab {

/// In-order binary tree below place 0: the place above place `p` > 0 of `n`. Odd places are leaves.
inline int place_above(int p, int n) {
  const int bit = p & -p;
  const int up = (p ^ bit) | (bit << 1);
  return up < n ? up : p ^ bit;
}

/// The place in the second tree of who stands at `p` in the first: leaves become inner ones. Place 0 stays.
inline int place_in_second(int p, int n) {
  if (p == 0) return 0;
  return n % 2 == 1 ? n - p : p % (n - 1) + 1;
}

}  // namespace p2plab
