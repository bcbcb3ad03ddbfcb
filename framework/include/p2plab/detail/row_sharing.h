// SPDX-License-Identifier: Apache-2.0
// How many thread blocks share a row of an epilogue: kernels run so, and predictions count so.
#pragma once

#include <cstdint>

namespace p2plab {

/// Blocks of a cluster that share a row of so many vectors of 16 bytes, a vector to a thread; 1 where there is no use in it, or a row is too long.
struct RowSharing {
  int blocks = 1;
  std::uint32_t threads = 128;  // of a block
};
constexpr RowSharing row_sharing(std::int64_t vectors) {
  RowSharing sharing;
  constexpr int most_blocks = 8;  // that every GPU with clusters takes
  const auto blocks = (vectors + sharing.threads - 1) / sharing.threads;
  if (blocks > 1 && blocks <= most_blocks) sharing.blocks = static_cast<int>(blocks);
  return sharing;
}

}  // namespace p2plab
