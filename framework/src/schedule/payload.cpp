// SPDX-License-Identifier: Apache-2.0
#include "p2plab/schedule/payload.h"

#include <array>

#include "p2plab/detail/named.h"

namespace p2plab {

namespace {

constexpr std::array types{Named{"float16", DataType::float16}, Named{"bfloat16", DataType::bfloat16}, Named{"float32", DataType::float32},
                           Named{"float64", DataType::float64}, Named{"int8", DataType::int8},         Named{"int16", DataType::int16},
                           Named{"int32", DataType::int32},     Named{"int64", DataType::int64},       Named{"uint8", DataType::uint8},
                           Named{"uint16", DataType::uint16},   Named{"uint32", DataType::uint32},     Named{"uint64", DataType::uint64}};
constexpr std::array ops{Named{"sum", ReduceOp::sum}, Named{"product", ReduceOp::product}, Named{"min", ReduceOp::min}, Named{"max", ReduceOp::max},
                         Named{"average", ReduceOp::average}};

template <class E, std::size_t N>
std::vector<E> values(const std::array<Named<E>, N>& table) {
  std::vector<E> all;
  for (const auto& row : table) all.push_back(row.value);
  return all;
}

}  // namespace

std::string_view to_string(DataType type) { return to_name<DataType>(type, types); }
std::string_view to_string(ReduceOp op) { return to_name<ReduceOp>(op, ops); }
Result<DataType> data_type(std::string_view name) { return from_name<DataType>("dtype", name, types); }
Result<ReduceOp> reduce_op(std::string_view name) { return from_name<ReduceOp>("reduction", name, ops); }
std::vector<DataType> all_data_types() { return values(types); }
std::vector<ReduceOp> all_reduce_ops() { return values(ops); }

int size_of(DataType type) {
  switch (type) {
    case DataType::int8:
    case DataType::uint8: return 1;
    case DataType::float16:
    case DataType::bfloat16:
    case DataType::int16:
    case DataType::uint16: return 2;
    case DataType::float32:
    case DataType::int32:
    case DataType::uint32: return 4;
    case DataType::float64:
    case DataType::int64:
    case DataType::uint64: return 8;
  }
  return 1;
}

}  // namespace p2plab
