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

// What NCCL, nccl-tests, PyTorch and people call them.
constexpr std::array other_types{Named{"half", DataType::float16},  Named{"fp16", DataType::float16},   Named{"f16", DataType::float16},
                                 Named{"bf16", DataType::bfloat16}, Named{"float", DataType::float32},  Named{"fp32", DataType::float32},
                                 Named{"f32", DataType::float32},   Named{"double", DataType::float64}, Named{"fp64", DataType::float64},
                                 Named{"f64", DataType::float64},   Named{"char", DataType::int8},      Named{"byte", DataType::uint8},
                                 Named{"int", DataType::int32},     Named{"long", DataType::int64}};
constexpr std::array other_ops{Named{"prod", ReduceOp::product}, Named{"avg", ReduceOp::average}, Named{"mean", ReduceOp::average}};

// The value called `name` in the one table or the other; messages list the first.
template <class E>
Result<E> by_either_name(std::string_view kind, std::string_view name, std::span<const Named<E>> table, std::span<const Named<E>> others) {
  const auto found = std::ranges::find(others, name, &Named<E>::name);
  return found != others.end() ? Result<E>{found->value} : from_name<E>(kind, name, table);
}

template <class E, std::size_t N>
std::vector<E> values(const std::array<Named<E>, N>& table) {
  std::vector<E> all;
  for (const auto& row : table) all.push_back(row.value);
  return all;
}

}  // namespace

std::string_view to_string(DataType type) { return to_name<DataType>(type, types); }
std::string_view to_string(ReduceOp op) { return to_name<ReduceOp>(op, ops); }
Result<DataType> data_type(std::string_view name) { return by_either_name<DataType>("dtype", name, types, other_types); }
Result<ReduceOp> reduce_op(std::string_view name) { return by_either_name<ReduceOp>("reduction", name, ops, other_ops); }
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
