// SPDX-License-Identifier: Apache-2.0
// Elements by NCCL's numbers of types, as doubles: exact for the small whole numbers that tests send.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "p2plab/detail/float16.h"

namespace p2plab::test {

/// By ncclDataType_t: int8 to bfloat16, and the two forms of float8, which are moved only.
inline constexpr std::array<std::size_t, 12> nccl_sizes{1, 1, 4, 4, 8, 8, 2, 4, 8, 2, 1, 1};

template <class T>
double loaded_as(const void* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return static_cast<double>(value);
}
template <class T>
void stored_as(void* at, double number) {
  const auto value = static_cast<T>(number);
  std::memcpy(at, &value, sizeof value);
}

inline double load(int type, const void* at) {
  switch (type) {
    case 0: return loaded_as<std::int8_t>(at);
    case 2: return loaded_as<std::int32_t>(at);
    case 3: return loaded_as<std::uint32_t>(at);
    case 4: return loaded_as<std::int64_t>(at);
    case 5: return loaded_as<std::uint64_t>(at);
    case 6: {
      Half half;
      std::memcpy(&half, at, sizeof half);
      return static_cast<double>(to_float(half));
    }
    case 7: return loaded_as<float>(at);
    case 8: return loaded_as<double>(at);
    case 9: {
      BFloat16 half;
      std::memcpy(&half, at, sizeof half);
      return static_cast<double>(to_float(half));
    }
    default: return loaded_as<std::uint8_t>(at);
  }
}

inline void store(int type, void* at, double number) {
  switch (type) {
    case 0: return stored_as<std::int8_t>(at, number);
    case 2: return stored_as<std::int32_t>(at, number);
    case 3: return stored_as<std::uint32_t>(at, number);
    case 4: return stored_as<std::int64_t>(at, number);
    case 5: return stored_as<std::uint64_t>(at, number);
    case 6: {
      const auto half = to_half(static_cast<float>(number));
      std::memcpy(at, &half, sizeof half);
      return;
    }
    case 7: return stored_as<float>(at, number);
    case 8: return stored_as<double>(at, number);
    case 9: {
      const auto half = to_bfloat16(static_cast<float>(number));
      std::memcpy(at, &half, sizeof half);
      return;
    }
    default: return stored_as<std::uint8_t>(at, number);
  }
}

inline bool is_float(int type) { return type >= 6 && type <= 9; }

/// ncclRedOp_t: sum, product, max, min, average (a sum at first).
inline double combined_by(int op, double a, double b) {
  switch (op) {
    case 1: return a * b;
    case 2: return std::fmax(a, b);
    case 3: return std::fmin(a, b);
    default: return a + b;
  }
}
inline double average_of(int type, double sum, int ranks) { return is_float(type) ? sum / ranks : std::trunc(sum / ranks); }

}  // namespace p2plab::test
