// SPDX-License-Identifier: Apache-2.0
// Exact fractions, for bounds that must be equal and not merely near.
#pragma once

#include <compare>
#include <cstdint>
#include <numeric>
#include <string>

namespace p2plab {

__extension__ using Int128 = __int128;

/// A fraction in lowest terms with a denominator above zero. Values are compared exactly; arithmetic is left to `reduced`.
struct Rational {
  std::int64_t numerator = 0;
  std::int64_t denominator = 1;

  /// The nearest double.
  double value() const { return static_cast<double>(numerator) / static_cast<double>(denominator); }
  friend bool operator==(const Rational&, const Rational&) = default;
  friend std::strong_ordering operator<=>(const Rational& a, const Rational& b) {
    return static_cast<Int128>(a.numerator) * b.denominator <=> static_cast<Int128>(b.numerator) * a.denominator;
  }
};

/// numerator / denominator in lowest terms. The numerator must not be negative, the denominator must be above zero. Where lowest terms do not
/// fit into 64 bits, the nearest smaller fraction that does (so a lower bound stays one).
Rational reduced(Int128 numerator, Int128 denominator);

/// The fraction with the least denominator within `tolerance` (relative) of `value`, which must not be negative.
Rational simplest_near(double value, double tolerance);

/// "7/150", or "3" where the denominator is 1.
std::string to_string(const Rational& value);

}  // namespace p2plab
