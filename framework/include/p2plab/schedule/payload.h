// SPDX-License-Identifier: Apache-2.0
// How much data, of what type, combined how.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "p2plab/base/result.h"
#include "p2plab/base/units.h"

namespace p2plab {

enum class DataType { float16, bfloat16, float32, float64, int8, int16, int32, int64, uint8, uint16, uint32, uint64 };
enum class ReduceOp { sum, product, min, max, average };

std::string_view to_string(DataType type);
std::string_view to_string(ReduceOp op);
Result<DataType> data_type(std::string_view name);
Result<ReduceOp> reduce_op(std::string_view name);
std::vector<DataType> all_data_types();
std::vector<ReduceOp> all_reduce_ops();
/// Bytes of one element.
int size_of(DataType type);

/// The whole buffer in nccl-tests' sense: the buffer for all-reduce, broadcast, reduce and send/receive, the total over ranks for the others.
struct Payload {
  static constexpr std::int64_t most_bytes = std::int64_t{1} << 50;  // more are refused
  std::int64_t elements = 0;
  DataType type = DataType::float32;
  ReduceOp op = ReduceOp::sum;
  Bytes size() const { return Bytes{elements * size_of(type)}; }
};

}  // namespace p2plab
