// SPDX-License-Identifier: Apache-2.0
#include "ring/mesh_cycles.h"

#include <algorithm>
#include <cstdint>

namespace p2plab {

namespace {

// start, start + 1, start - 1, start + 2, ... round a circle, closed by the point beside it.
std::vector<int> zigzag(int start, int circle) {
  std::vector<int> cycle{circle};
  for (int k = 0; k < circle; ++k) cycle.push_back((start + (k % 2 == 1 ? (k + 1) / 2 : circle - k / 2)) % circle);
  return cycle;
}

}  // namespace

std::vector<std::vector<int>> mesh_cycles(int n, std::size_t most) {
  const int circle = n - 1;
  const int half = circle / 2;
  std::vector<std::vector<int>> cycles;
  for (int t = 0; t < half; ++t) {
    // An odd circle: the zigzags from i and i + half have a hop in common, so every second multiple of half is left out.
    const int start = circle % 2 == 0 ? t : static_cast<int>(std::int64_t{2} * t * half % circle);
    for (const bool backwards : {false, true}) {
      if (cycles.size() == most) return cycles;
      cycles.push_back(zigzag(start, circle));
      if (backwards) std::ranges::reverse(cycles.back());
    }
  }
  return cycles;
}

}  // namespace p2plab
