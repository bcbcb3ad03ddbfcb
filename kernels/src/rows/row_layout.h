// SPDX-License-Identifier: Apache-2.0
// How threads of a block share a row.
#pragma once

#include <cstdint>

#include "p2plab/detail/row_sharing.h"
#include "p2plab/schedule/payload.h"

namespace p2plab {

/// How many vectors of a row a thread holds in registers, 0 if that would be more than `most` or rows are no whole vectors; are they?
struct RowLayout {
  int slots = 0;
  bool whole = false;
};
inline RowLayout row_layout(std::int64_t hidden, DataType type, std::uint32_t threads, int most) {
  const std::int64_t elements = 16 / size_of(type);
  const auto vectors = (hidden + elements - 1) / elements;
  const auto slots = (vectors + threads - 1) / threads;
  const bool whole = hidden % elements == 0;
  return {.slots = whole && slots <= most ? static_cast<int>(slots) : 0, .whole = whole};
}

/// So many blocks that share rows there may be to a multiprocessor; more do not gain (kernels/decisions/013).
inline constexpr std::int64_t sharing_per_processor = 8;

/// Clusters came with this generation.
inline constexpr int clusters_from = 90;

}  // namespace p2plab
