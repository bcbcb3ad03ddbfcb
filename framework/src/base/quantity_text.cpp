// SPDX-License-Identifier: Apache-2.0
// Quantities as their shortest exact text.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <span>

#include <fmt/format.h>

#include "base/quantity_units.h"
#include "p2plab/base/quantity.h"

namespace p2plab {

namespace {

__extension__ using Wide = __int128;

// `digits` with a decimal point `decimals` places from its right, without needless zeros: ("1500", 3) is "1.5".
std::string with_point(std::string digits, int decimals) {
  if (decimals < 0) digits.append(static_cast<std::size_t>(-decimals), '0');
  if (decimals <= 0) return digits;
  const auto places = static_cast<std::size_t>(decimals);
  if (digits.size() <= places) digits.insert(0, places + 1 - digits.size(), '0');
  digits.insert(digits.size() - places, ".");
  while (digits.back() == '0') digits.pop_back();
  if (digits.back() == '.') digits.pop_back();
  return digits;
}

// The text with fewer digits; at equal number the later one, which has the larger unit. Candidates are at least one of their unit: "500 ns", not "0.5
// us".
void keep_shorter(std::string& best, std::string candidate) {
  const auto digits = [](const std::string& text) { return std::ranges::count_if(text, [](char c) { return c >= '0' && c <= '9'; }); };
  if (best.empty() || digits(candidate) <= digits(best)) best = std::move(candidate);
}

// value / scale as an exact decimal; empty if it has more than 18 decimals.
std::string exact_quotient(std::int64_t value, std::int64_t scale) {
  auto text = fmt::format("{}", value / scale);
  auto rest = static_cast<Wide>(value % scale);
  if (rest != 0) text += '.';
  for (int i = 0; rest != 0; ++i) {
    if (i == 18) return {};
    rest *= 10;
    text += static_cast<char>('0' + static_cast<int>(rest / scale));
    rest %= scale;
  }
  return text;
}

std::string shortest(std::int64_t value, std::span<const Unit> units) {
  std::string best;
  if (value < 0)
    return value == std::numeric_limits<std::int64_t>::min() ? fmt::format("{} {}", value, units[0].name) : "-" + shortest(-value, units);
  for (const auto& unit : units) {
    if (value < unit.scale && unit.scale > 1) break;
    if (const auto number = exact_quotient(value, unit.scale); !number.empty()) keep_shorter(best, fmt::format("{} {}", number, unit.name));
  }
  return best;
}

}  // namespace

std::string to_string(Bytes size) { return shortest(size.count(), size_units); }
std::string to_string(Bandwidth rate) { return shortest(rate.bytes_per_second(), decimal_rate_units); }

std::string to_string(Seconds time) {
  const auto value = time.count();
  if (value == 0 || !std::isfinite(value)) return fmt::format("{} s", value == 0 ? 0 : value);
  if (value < 0) return "-" + to_string(-time);
  std::array<char, 32> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific).ptr;
  std::string digits{buffer.data(), end};
  auto best = digits + " s";  // "1e-300 s": the shortest text far away from the named units
  const auto mark = digits.find('e');
  int exponent = 0;
  const auto first = digits[mark + 1] == '+' ? mark + 2 : mark + 1;
  std::from_chars(digits.data() + first, digits.data() + digits.size(), exponent);
  digits.resize(mark);
  if (digits.size() > 1) {
    exponent -= static_cast<int>(digits.size()) - 2;
    digits.erase(1, 1);
  }
  // digits * 10^exponent seconds; every named unit moves the point. Long runs of zeros never win, so they are not made.
  for (const auto& unit : time_units) {
    const auto decimals = static_cast<int>(unit.scale) - exponent;
    const auto below_one = decimals >= static_cast<int>(digits.size());
    if (std::abs(decimals) < 40 && (!below_one || unit.name == "ps"))
      keep_shorter(best, fmt::format("{} {}", with_point(digits, decimals), unit.name));
  }
  return best;
}

}  // namespace p2plab
