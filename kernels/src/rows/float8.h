// SPDX-License-Identifier: Apache-2.0
// float8 e4m3 (1 sign, 4 exponent, 3 fraction bits; no infinity): for processors without an instruction for it, and for the CPU.
#pragma once

#include <cstdint>

namespace p2plab::device {

inline constexpr float most_e4m3 = 448;
/// Scales are at least this, so that rows of zeros have one.
inline constexpr float least_scale = 1.0F / (448.0F * 512.0F);

/// Nearest, ties to even; beyond 448 the largest, NaN stays NaN.
constexpr std::uint32_t to_e4m3(float value) {
  const auto bits = __builtin_bit_cast(std::uint32_t, value);
  const auto sign = bits >> 24 & 0x80U;
  const auto magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return sign | 0x7fU;
  if (magnitude >= 0x43e00000U) return sign | 0x7eU;  // 448
  // Below 2^-6 units of 2^-9, which is the unit in the last place of 2^14: the addition does the rounding.
  if (magnitude < 0x3c800000U) {
    const float shifted = __builtin_bit_cast(float, magnitude) + 16384.0F;
    return sign | (__builtin_bit_cast(std::uint32_t, shifted) - 0x46800000U);
  }
  const auto rounded = (magnitude + 0x7ffffU + (magnitude >> 20 & 1U)) >> 20;
  return sign | (rounded - (120U << 3));
}

}  // namespace p2plab::device
