// SPDX-License-Identifier: Apache-2.0
#include "rows/row_check.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "p2plab/detail/elements.h"

namespace p2plab {

double from_e4m3(std::uint8_t bits) {
  const int exponent = bits >> 3 & 15;
  const int fraction = bits & 7;
  double value = exponent == 0 ? std::ldexp(fraction, -9) : std::ldexp(8 + fraction, exponent - 10);
  if (exponent == 15 && fraction == 7) value = std::numeric_limits<double>::quiet_NaN();
  return (bits & 0x80) != 0 ? -value : value;
}

namespace {

template <class E>
class RowCheck {
  using Stored = typename E::Stored;

 public:
  explicit RowCheck(const args::EpilogueCall& call) : call_(call), hidden_(call.hidden) {}

  DataCheck run() {
    check_.passed = true;
    for (std::uint32_t row = 0; row < call_.rows; ++row) check_row(row);
    check_.passed = check_.wrong == 0;
    return check_;
  }

 private:
  static constexpr double u32 = 0x1p-24;
  static constexpr double unit = sizeof(Stored) == 4 ? 0x1p-24 : std::is_same_v<Stored, Half> ? 0x1p-11 : 0x1p-8;
  // Half a unit of the smallest numbers.
  static constexpr double least = std::is_same_v<Stored, Half> ? 0x1p-25 : 0x1p-134;

  static double at(std::uint64_t base, std::size_t element) { return E::load(reinterpret_cast<const Stored*>(base)[element]); }

  void compare(const char* what, std::uint32_t row, std::size_t element, double expected, double found, double tolerance) {
    ++check_.elements;
    const double error = std::abs(expected - found);
    const bool same = std::isnan(expected) ? std::isnan(found) : expected == found || error <= tolerance;
    if (!std::isnan(error)) check_.worst_error = std::max(check_.worst_error, error);
    if (same) return;
    if (check_.wrong++ == 0) check_.first_wrong = fmt::format("{}[{}][{}]: expected {:g}, found {:g}", what, row, element, expected, found);
  }

  void check_row(std::uint32_t row) {
    const auto first = std::size_t{row} * hidden_;
    std::vector<double> z(hidden_);
    for (std::size_t i = 0; i < hidden_; ++i) {
      auto sum = E::load(reinterpret_cast<const Stored*>(call_.source)[first + i]);
      if (call_.residual != 0) sum = E::load(E::store(sum + E::load(reinterpret_cast<const Stored*>(call_.residual)[first + i])));
      z[i] = sum;
      if (call_.sum != 0) compare("sum", row, i, z[i], at(call_.sum, first + i), 0);
    }
    check_norm(row, first, z);
  }

  void check_norm(std::uint32_t row, std::size_t first, const std::vector<double>& z) {
    double mean = 0;
    double square = 0;
    double largest = 0;
    for (const auto value : z) mean += value / static_cast<double>(hidden_);
    if (call_.norm != args::norm_layer) mean = 0;
    for (const auto value : z) square += (value - mean) * (value - mean) / static_cast<double>(hidden_), largest = std::max(largest, std::abs(value));
    const double inverse = call_.norm == args::norm_none ? 1 : 1 / std::sqrt(square + double{call_.epsilon});
    const double roundings = static_cast<double>(hidden_) / 1024 * 2 + 8 + 10 + 8;
    std::vector<double> y(hidden_);
    std::vector<double> slack(hidden_);
    for (std::size_t i = 0; i < hidden_; ++i) {
      const double weight = call_.weight != 0 ? at(call_.weight, i) : 1;
      const double bias = call_.bias != 0 ? at(call_.bias, i) : 0;
      y[i] = (z[i] - mean) * inverse * weight + bias;
      const double passed = std::abs(z[i] - mean) + (mean != 0 ? largest : 0);
      slack[i] = unit * std::abs(y[i]) + least + 1.01 * roundings * u32 * (passed * inverse * std::abs(weight) + std::abs(bias));
      if (call_.norm == args::norm_none) slack[i] = 0;
      if (call_.normed != 0) compare("normed", row, i, y[i], at(call_.normed, first + i), slack[i]);
      // What follows is of the rounded elements, where they can be seen.
      if (call_.normed != 0) y[i] = at(call_.normed, first + i), slack[i] = 0;
    }
    if (call_.float8 != args::float8_none) check_float8(row, first, y, slack);
  }

  void check_float8(std::uint32_t row, std::size_t first, const std::vector<double>& y, const std::vector<double>& slack) {
    const auto* const scales = reinterpret_cast<const float*>(call_.scales);
    const std::size_t group = call_.float8 == args::float8_group ? args::float8_group_elements : hidden_;
    for (std::size_t begin = 0; begin < hidden_; begin += group) {
      const auto number = (first + begin) / group;
      const double scale = call_.float8 == args::float8_tensor ? scales[0] : scales[number];
      if (call_.float8 != args::float8_tensor) {
        double most = 0;
        double loose = 0;
        for (std::size_t i = begin; i < begin + group; ++i) {
          if (std::abs(y[i]) > most) most = std::abs(y[i]);
          loose = std::max(loose, slack[i]);
        }
        const double expected = std::max(most / 448, 1.0 / (448 * 512));
        compare("scale", row, number, expected, scale, expected * 0x1p-22 + loose / 448);
      }
      for (std::size_t i = begin; i < begin + group; ++i) {
        const double wanted = std::clamp(y[i] / scale, -448.0, 448.0);
        const double found = from_e4m3(reinterpret_cast<const std::uint8_t*>(call_.quantised)[first + i]);
        compare("float8", row, i, wanted, found, std::abs(wanted) * (0x1p-4 + 0x1p-20) + 0x1p-10 + slack[i] / scale);
      }
    }
  }

  const args::EpilogueCall& call_;
  std::size_t hidden_;
  DataCheck check_;
};

}  // namespace

DataCheck check_rows(DataType type, const args::EpilogueCall& call) {
  if (type == DataType::float16) return RowCheck<Element<Half>>{call}.run();
  if (type == DataType::bfloat16) return RowCheck<Element<BFloat16>>{call}.run();
  return RowCheck<Element<float>>{call}.run();
}

}  // namespace p2plab
