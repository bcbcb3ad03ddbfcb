// SPDX-License-Identifier: Apache-2.0
// What one instruction does to bytes: read sources, combine them in order, write the result to the destinations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "p2plab/schedule/payload.h"

namespace p2plab {

/// One instruction's arithmetic on one byte range.
struct Combination {
  DataType type = DataType::float32;
  ReduceOp op = ReduceOp::sum;
  std::int32_t divisor = 1;  // the result is divided by it; 1 means it is not
};

/// Combines `elements` elements of all sources, first to last, and writes them to all destinations. float16 and bfloat16 are added in float32
/// and rounded once, when written. A lone source that is not divided is copied bit by bit. A destination may be one of the sources, but no range
/// may overlap another in part. No alignment is needed.
void combine(const Combination& what, std::span<const std::byte* const> sources, std::span<std::byte* const> destinations, std::int64_t elements);

}  // namespace p2plab
