// SPDX-License-Identifier: Apache-2.0
// The two 16-bit floating-point formats, in software: exact to float, and back with rounding to nearest, ties to even.
#pragma once

#include <bit>
#include <cstdint>

namespace p2plab {

/// IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits.
struct Half {
  std::uint16_t bits = 0;
};

/// The upper half of a binary32: 1 sign, 8 exponent, 7 fraction bits.
struct BFloat16 {
  std::uint16_t bits = 0;
};

/// Exact; NaN stays NaN with its payload.
constexpr float to_float(BFloat16 value) { return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16); }

/// Nearest, ties to even; values beyond the largest finite one round to infinity, NaN stays NaN (made quiet).
constexpr BFloat16 to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto upper = static_cast<std::uint16_t>(bits >> 16);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return {static_cast<std::uint16_t>(upper | 0x40U)};
  return {static_cast<std::uint16_t>((bits + 0x7fffU + (upper & 1U)) >> 16)};
}

/// Exact; subnormals become normal floats, NaN stays NaN with its payload. Without branches, so that loops over it become vector operations.
constexpr float to_float(Half value) {
  const std::uint32_t sign = static_cast<std::uint32_t>(value.bits & 0x8000U) << 16;
  // Read as a float's, exponent and fraction mean 2^-112 of the value, for subnormals too.
  const float scaled = std::bit_cast<float>(static_cast<std::uint32_t>(value.bits & 0x7fffU) << 13) * 0x1p112F;
  const std::uint32_t endless = scaled >= 0x1p16F ? 0x7f800000U : 0U;  // the exponent of infinity and NaN
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(scaled) | endless | sign);
}

/// Nearest, ties to even; from 65520 on infinity, at most 2^-25 zero, NaN stays NaN (made quiet). Without branches.
constexpr Half to_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto magnitude = static_cast<std::int32_t>(bits & 0x7fffffffU);
  const std::uint32_t rounded = (bits & 0x7fffffffU) + 0xfffU + ((bits >> 13) & 1U) - 0x38000000U;
  const auto normal = static_cast<std::int32_t>(rounded >> 13);
  // Subnormal: adding 0.5, whose unit in the last place is 2^-24, makes the float addition do the rounding.
  const std::int32_t subnormal = std::bit_cast<std::int32_t>(std::bit_cast<float>(magnitude) + 0.5F) - 0x3f000000;
  const std::int32_t nan = 0x7e00 | ((magnitude >> 13) & 0x1ff);
  const std::int32_t finite = magnitude >= 0x38800000 ? normal : subnormal;             // 2^-14
  const std::int32_t number = magnitude >= 0x477ff000 ? std::int32_t{0x7c00} : finite;  // 65520: half way beyond the largest finite value
  return {static_cast<std::uint16_t>((magnitude > 0x7f800000 ? nan : number) | static_cast<std::int32_t>((bits >> 16) & 0x8000U))};
}

}  // namespace p2plab
