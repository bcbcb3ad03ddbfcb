// SPDX-License-Identifier: Apache-2.0
// Element types as C++ types: what is stored, what is added in, and the way between.
#pragma once

#include <cstdint>
#include <type_traits>

#include "p2plab/detail/float16.h"
#include "p2plab/schedule/payload.h"

namespace p2plab {

/// How an element of stored type `T` takes part in arithmetic: 16-bit floats in float, the others as they are
/// (integers wrap, see `combined`).
template <class T>
struct Element {
  using Stored = T;
  using Sum = T;
  static constexpr bool floating = std::is_floating_point_v<T>;
  static Sum load(T value) { return value; }
  static T store(Sum value) { return value; }
};

template <>
struct Element<Half> {
  using Stored = Half;
  using Sum = float;
  static constexpr bool floating = true;
  static float load(Half value) { return to_float(value); }
  static Half store(float value) { return to_half(value); }
};

template <>
struct Element<BFloat16> {
  using Stored = BFloat16;
  using Sum = float;
  static constexpr bool floating = true;
  static float load(BFloat16 value) { return to_float(value); }
  static BFloat16 store(float value) { return to_bfloat16(value); }
};

/// Calls `action` with the Element type of `type` as a value.
template <class Action>
decltype(auto) with_element(DataType type, Action&& action) {
  switch (type) {
    case DataType::float16: return action(Element<Half>{});
    case DataType::bfloat16: return action(Element<BFloat16>{});
    case DataType::float32: return action(Element<float>{});
    case DataType::float64: return action(Element<double>{});
    case DataType::int8: return action(Element<std::int8_t>{});
    case DataType::int16: return action(Element<std::int16_t>{});
    case DataType::int32: return action(Element<std::int32_t>{});
    case DataType::int64: return action(Element<std::int64_t>{});
    case DataType::uint8: return action(Element<std::uint8_t>{});
    case DataType::uint16: return action(Element<std::uint16_t>{});
    case DataType::uint32: return action(Element<std::uint32_t>{});
    case DataType::uint64: return action(Element<std::uint64_t>{});
  }
  return action(Element<float>{});
}

/// a + b, a * b, the smaller or the larger one. Integers wrap; of a NaN and a number, min and max give the NaN. Average adds.
template <class T>
T combined(ReduceOp op, T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    switch (op) {
      case ReduceOp::sum:
      case ReduceOp::average: return a + b;
      case ReduceOp::product: return a * b;
      case ReduceOp::min: return b < a || b != b ? b : a;
      case ReduceOp::max: return b > a || b != b ? b : a;
    }
  } else {
    switch (op) {
      case ReduceOp::sum:
      case ReduceOp::average: return static_cast<T>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
      case ReduceOp::product: return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
      case ReduceOp::min: return b < a ? b : a;
      case ReduceOp::max: return b > a ? b : a;
    }
  }
  return a;
}

/// Calls `action` with the operation as a constant, so that each loop in it is one vector operation. An average adds.
template <class Action>
decltype(auto) with_operation(ReduceOp op, Action&& action) {
  switch (op) {
    case ReduceOp::sum:
    case ReduceOp::average: break;
    case ReduceOp::product: return action(std::integral_constant<ReduceOp, ReduceOp::product>{});
    case ReduceOp::min: return action(std::integral_constant<ReduceOp, ReduceOp::min>{});
    case ReduceOp::max: return action(std::integral_constant<ReduceOp, ReduceOp::max>{});
  }
  return action(std::integral_constant<ReduceOp, ReduceOp::sum>{});
}

/// A complete sum over `divisor` contributions as their average: floats divide in the type they are added in, integers truncate towards zero.
template <class T>
T averaged(T sum, std::int32_t divisor) {
  if constexpr (std::is_floating_point_v<T>) {
    return sum / static_cast<T>(divisor);
  } else if constexpr (std::is_signed_v<T>) {
    return static_cast<T>(static_cast<std::int64_t>(sum) / divisor);
  } else {
    return static_cast<T>(static_cast<std::uint64_t>(sum) / static_cast<std::uint64_t>(divisor));
  }
}

}  // namespace p2plab
