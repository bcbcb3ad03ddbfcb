// SPDX-License-Identifier: Apache-2.0
// The values of test data, one element type at a time.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>

#include "p2plab/detail/elements.h"
#include "p2plab/detail/reference_data.h"

namespace p2plab {

/// One block's values and reference; see TestData for the ranges.
template <class E>
class ReferencePattern {
 public:
  using Stored = typename E::Stored;
  /// What the reference is computed in: double, or the integer itself (wrapping arithmetic is exact).
  using Exact = std::conditional_t<E::floating, double, Stored>;

  ReferencePattern(const TestData& data, std::size_t block)
      : op_(data.reduces_ ? data.op_ : ReduceOp::max),
        ranks_(data.contributors_[block]),
        contributions_(static_cast<std::int64_t>(ranks_.size())),
        start_(static_cast<std::uint64_t>(data.starts_[block])),
        seed_(mixed(data.seed_)) {
    greatest_ = greatest();
    const auto roundings = static_cast<double>(contributions_ - 1);
    const auto largest_sum = static_cast<double>(contributions_) * static_cast<double>(greatest_);
    const bool adds = op_ == ReduceOp::sum || op_ == ReduceOp::average;
    if (E::floating && adds && largest_sum > static_cast<double>(most_exact)) fixed_tolerance_ = roundings * unit * largest_sum;
    if (op_ == ReduceOp::average) fixed_tolerance_ /= static_cast<double>(contributions_);
  }

  ReduceOp op() const { return op_; }

  /// Element `i` of the block as contributor number `which` gives it.
  Stored value(std::size_t which, std::int64_t i) const {
    const auto key = seed_ + (static_cast<std::uint64_t>(ranks_[which].value) << 48);
    const auto random = mixed(key + start_ + static_cast<std::uint64_t>(i));
    if constexpr (E::floating) {
      return op_ == ReduceOp::product ? E::store(static_cast<typename E::Sum>(factor(which, random)))
                                      : E::store(static_cast<typename E::Sum>(whole(random)));
    } else {
      return integer(random);
    }
  }

  /// The same for elements `first` and following.
  void write(std::size_t which, std::int64_t first, std::span<Stored> to) const {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = value(which, first + static_cast<std::int64_t>(i));
  }

  /// The reference after all contributions are in.
  Exact finished(Exact sum) const { return op_ == ReduceOp::average ? averaged(sum, static_cast<std::int32_t>(contributions_)) : sum; }

  double tolerance(Exact reference) const {
    if constexpr (!E::floating) return 0;
    constexpr double average_roundings = 3;
    return fixed_tolerance_ + (op_ == ReduceOp::average ? average_roundings * unit * std::abs(static_cast<double>(reference)) : 0);
  }

 private:
  static constexpr int precision() {
    if (std::is_same_v<Stored, Half>) return 11;
    if (std::is_same_v<Stored, BFloat16>) return 8;
    if (std::is_same_v<Stored, float>) return 24;
    return 53;
  }
  static constexpr std::int64_t most_exact = std::int64_t{1} << precision();  // whole numbers up to here are exact
  static constexpr double unit = 1.0 / static_cast<double>(most_exact);

  // SplitMix64's finalizer (Steele, Lea, Flood 2014).
  static std::uint64_t mixed(std::uint64_t x) {
    x += 0x9E3779B97F4A7C15U;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
    return x ^ (x >> 31);
  }

  // The largest magnitude m of whole numbers.
  std::int64_t greatest() const {
    if constexpr (E::floating) {
      // An average's tolerance grows with the sum: an eighth of the exact range keeps it below the change that one contribution makes.
      if (op_ == ReduceOp::sum) return std::max<std::int64_t>(1, most_exact / contributions());
      if (op_ == ReduceOp::average) return std::max<std::int64_t>(1, most_exact / 8 / contributions());
      return most_exact;
    } else {
      return static_cast<std::int64_t>(std::numeric_limits<Stored>::max() / 2 / contributions());
    }
  }
  std::int64_t contributions() const { return std::max<std::int64_t>(1, contributions_); }

  double whole(std::uint64_t random) const {
    const auto magnitude = static_cast<double>(below(random, static_cast<std::uint64_t>(greatest_)) + 1);
    return (random & 1U) != 0 ? -magnitude : magnitude;
  }

  // A number below `range` from all bits but the lowest; where 31 bits are enough, a product instead of a division, which takes most of the time.
  static std::uint64_t below(std::uint64_t random, std::uint64_t range) {
    return range < (std::uint64_t{1} << 31) ? ((random >> 33) * range) >> 31 : (random >> 1) % range;
  }

  double factor(std::size_t which, std::uint64_t random) const {
    constexpr std::size_t most_scaling = 12;  // float16 holds 2^-14 to 2^15 as normal numbers
    const double sign = (random & 1U) != 0 ? -1 : 1;
    if (which % ((ranks_.size() + most_scaling - 1) / most_scaling) != 0) return sign;
    return sign * ((random & 2U) != 0 ? 2 : 0.5);
  }

  Stored integer(std::uint64_t random) const {
    if (op_ == ReduceOp::product) return static_cast<Stored>(random | 1U);
    if (op_ != ReduceOp::average) return static_cast<Stored>(random);
    const auto range = static_cast<std::uint64_t>(std::max<std::int64_t>(1, greatest_));
    const auto magnitude = static_cast<std::int64_t>(below(random, range) + 1);
    return static_cast<Stored>(std::is_signed_v<Stored> && (random & 1U) != 0 ? -magnitude : magnitude);
  }

  ReduceOp op_;
  const RankList& ranks_;
  std::int64_t contributions_;
  std::uint64_t start_;
  std::uint64_t seed_;
  std::int64_t greatest_ = 1;
  double fixed_tolerance_ = 0;
};

}  // namespace p2plab
