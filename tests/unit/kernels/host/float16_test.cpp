// SPDX-License-Identifier: Apache-2.0
// The 16-bit formats against their definitions, over all values.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "p2plab/detail/float16.h"

namespace p2plab::float16_test {
namespace {

// The value of a 16-bit pattern by the definition of the format; fraction bits `f`, exponent bits 15 - f.
double value_of(unsigned bits, int f) {
  const int exponent_bits = 15 - f;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = static_cast<int>(bits >> f) & ((1 << exponent_bits) - 1);
  const double fraction = bits & ((1U << f) - 1U);
  const double sign = (bits & 0x8000U) != 0 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1)
    return fraction != 0 ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - f);
  return sign * std::ldexp(fraction + std::ldexp(1, f), exponent - bias - f);
}

template <class To>
void every_value_survives(int f, To to, float (*from)(decltype(to(0.0F)))) {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const auto wide = from({static_cast<std::uint16_t>(bits)});
    const auto expected = value_of(bits, f);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(wide)) << bits;
      ASSERT_TRUE(std::isnan(from(to(wide)))) << bits;
      continue;
    }
    ASSERT_EQ(static_cast<double>(wide), expected) << bits;
    ASSERT_EQ(to(wide).bits, bits);
  }
}

// Between two neighbours: below the middle the lower one, above it the upper one, on it the even one.
template <class To>
void every_gap_rounds_to_nearest_even(int f, To to) {
  const auto infinity = ((1U << (15 - f)) - 1U) << f;
  for (unsigned low = 0; low < infinity; ++low) {
    const double a = value_of(low, f);
    const double b = low + 1 == infinity ? 2 * a - value_of(low - 1, f) : value_of(low + 1, f);
    const auto middle = static_cast<float>((a + b) / 2);
    for (const float sign : {1.0F, -1.0F}) {
      const unsigned high_bit = sign < 0 ? 0x8000U : 0;
      ASSERT_EQ(to(sign * middle).bits, (low % 2 == 0 ? low : low + 1) | high_bit) << low;
      ASSERT_EQ(to(sign * std::nextafterf(middle, 0)).bits, low | high_bit) << low;
      ASSERT_EQ(to(sign * std::nextafterf(middle, std::numeric_limits<float>::infinity())).bits, (low + 1) | high_bit) << low;
    }
  }
}

TEST(Float16, IsExactToFloatAndBackForAllValues) {
  every_value_survives(
      10, [](float x) { return to_half(x); }, [](Half h) { return to_float(h); });
}
TEST(Float16, RoundsToNearestEvenBetweenAllNeighbours) {
  every_gap_rounds_to_nearest_even(10, [](float x) { return to_half(x); });
}
TEST(Float16, KeepsInfinityAndOverflowsToIt) {
  EXPECT_EQ(to_half(std::numeric_limits<float>::infinity()).bits, 0x7c00);
  EXPECT_EQ(to_half(-std::numeric_limits<float>::max()).bits, 0xfc00);
  EXPECT_EQ(to_half(std::numeric_limits<float>::denorm_min()).bits, 0);
}
TEST(BFloat16, IsExactToFloatAndBackForAllValues) {
  every_value_survives(
      7, [](float x) { return to_bfloat16(x); }, [](BFloat16 b) { return to_float(b); });
}
TEST(BFloat16, RoundsToNearestEvenBetweenAllNeighbours) {
  every_gap_rounds_to_nearest_even(7, [](float x) { return to_bfloat16(x); });
}
TEST(BFloat16, StaysNanForEveryNanPayload) {
  EXPECT_TRUE(std::isnan(to_float(to_bfloat16(std::bit_cast<float>(0x7f800001U)))));
  EXPECT_TRUE(std::isnan(to_float(to_bfloat16(std::bit_cast<float>(0xffffffffU)))));
}

}  // namespace
}  // namespace p2plab::float16_test
