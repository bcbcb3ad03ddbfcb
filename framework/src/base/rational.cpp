// SPDX-License-Identifier: Apache-2.0
#include "p2plab/detail/rational.h"

#include <cmath>
#include <limits>

#include "p2plab/base/result.h"

namespace p2plab {

namespace {

Int128 greatest_common_divisor(Int128 a, Int128 b) {
  while (b != 0) {
    const Int128 rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

}  // namespace

Rational reduced(Int128 numerator, Int128 denominator) {
  expects(numerator >= 0 && denominator > 0);
  const Int128 divisor = greatest_common_divisor(numerator, denominator);
  numerator /= divisor;
  denominator /= divisor;
  constexpr Int128 most = std::numeric_limits<std::int64_t>::max();
  while (numerator > most || denominator > most) {
    numerator /= 2;
    denominator = denominator / 2 + denominator % 2;
  }
  const auto n = static_cast<std::int64_t>(numerator);
  const auto d = static_cast<std::int64_t>(denominator);
  const auto common = std::gcd(n, d);
  return {n / common, d / common};
}

// Walks down the continued fraction of `value` until a convergent is near enough.
Rational simplest_near(double value, double tolerance) {
  expects(value >= 0 && std::isfinite(value));
  double rest = value;
  Rational before{1, 0};
  Rational now{static_cast<std::int64_t>(std::floor(rest)), 1};
  for (int i = 0; i < 40 && std::abs(now.value() - value) > tolerance * value; ++i) {
    rest = 1 / (rest - std::floor(rest));
    const auto digit = std::floor(rest);
    if (!(digit * static_cast<double>(now.denominator) < 1e15)) break;
    const auto whole = static_cast<std::int64_t>(digit);
    const Rational next{whole * now.numerator + before.numerator, whole * now.denominator + before.denominator};
    before = now;
    now = next;
  }
  return now;
}

std::string to_string(const Rational& value) {
  const auto numerator = std::to_string(value.numerator);
  return value.denominator == 1 ? numerator : numerator + "/" + std::to_string(value.denominator);
}

}  // namespace p2plab
