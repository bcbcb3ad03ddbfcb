// SPDX-License-Identifier: Apache-2.0
// The numbers that NCCL's interface has for types and operations, the same in all of NCCL 2.
#pragma once

#include <array>
#include <cstddef>

#include <fmt/format.h>

#include "p2plab/base/result.h"
#include "p2plab/schedule/payload.h"

namespace p2plab {

/// As in ncclDataType_t. Errors: unsupported.
inline Result<int> nccl_type(DataType type) {
  switch (type) {
    case DataType::int8: return 0;
    case DataType::uint8: return 1;
    case DataType::int32: return 2;
    case DataType::uint32: return 3;
    case DataType::int64: return 4;
    case DataType::uint64: return 5;
    case DataType::float16: return 6;
    case DataType::float32: return 7;
    case DataType::float64: return 8;
    case DataType::bfloat16: return 9;
    case DataType::int16:
    case DataType::uint16: break;
  }
  return Error{.code = ErrorCode::unsupported, .message = fmt::format("NCCL has no {}", to_string(type))};
}

/// As in ncclRedOp_t.
inline int nccl_op(ReduceOp op) {
  constexpr std::array numbers{0, 1, 3, 2, 4};  // sum, product, min, max, average
  return numbers[static_cast<std::size_t>(op)];
}

}  // namespace p2plab
