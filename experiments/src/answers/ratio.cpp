// SPDX-License-Identifier: Apache-2.0
#include "answers/ratio.h"

#include <algorithm>

#include <fmt/format.h>

namespace p2plab::answers {

namespace {

// In tenths; what rounds to nothing has no sign.
std::string tenths(double ratio) {
  const auto text = fmt::format("{:.1f}", 100 * (ratio - 1));
  return text == "-0.0" ? "0.0" : text;
}

}  // namespace

std::optional<Seconds> time_of(const Row& row) { return row.clock() == Clock::device ? row.time() : row.predicted(); }

std::optional<Ratio> ratio_of(const Row& a, const Row& b) {
  const auto time_a = time_of(a);
  const auto time_b = time_of(b);
  if (!time_a || !time_b || time_a->count() <= 0 || time_b->count() <= 0) return std::nullopt;
  Ratio ratio{*time_a / *time_b};
  const bool predicted = a.clock() == Clock::simulated && b.clock() == Clock::simulated;
  if (!predicted || !a.interval() || !b.interval() || b.interval()->low.count() <= 0) return ratio;
  const auto fast = a.interval()->low / b.interval()->low;
  const auto slow = a.interval()->high / b.interval()->high;
  ratio.low = std::min({fast, slow, ratio.value});
  ratio.high = std::max({fast, slow, ratio.value});
  return ratio;
}

std::string times_text(double factor) { return factor < 10 ? fmt::format("{:.2f}x", factor) : fmt::format("{:.0f}x", factor); }

// The interval is left out where it is narrower than what is printed.
std::string times_text(const Ratio& ratio) {
  auto text = times_text(ratio.value);
  if (!ratio.low) return text;
  auto low = times_text(*ratio.low);
  const auto high = times_text(*ratio.high);
  if (low == high) return text;
  low.pop_back();
  return fmt::format("{} ({} to {})", text, low, high);
}

std::string percent_text(double ratio) { return tenths(ratio) + " %"; }

std::string percent_text(const Ratio& ratio) {
  if (!ratio.low) return percent_text(ratio.value);
  const auto low = tenths(*ratio.low);
  const auto high = tenths(*ratio.high);
  return low == high ? percent_text(ratio.value) : fmt::format("{} ({} to {} %)", percent_text(ratio.value), low, high);
}

std::string time_text(const Row& row) {
  const auto time = time_of(row);
  if (!time) return "-";
  auto text = fmt::format("{:.2f} us", microseconds(*time));
  if (const auto interval = row.interval(); interval && row.clock() == Clock::simulated) {
    text += fmt::format(" ({:.2f} to {:.2f} us)", microseconds(interval->low), microseconds(interval->high));
  }
  return text;
}

}  // namespace p2plab::answers
