// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace p2plab {

/// How finely a program is cut: the largest instruction into blocks_per_lane * slices_per_block slices.
struct Grain {
  int blocks_per_lane = 1;
  int slices_per_block = 1;
  bool counted = false;  // every instruction into as many slices as the largest, not into slices of the same bytes
  bool apart = false;    // a lane for each step
  std::int64_t slices() const { return std::int64_t{blocks_per_lane} * slices_per_block; }
};

}  // namespace p2plab
