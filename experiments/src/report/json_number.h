// SPDX-License-Identifier: Apache-2.0
// Numbers in our JSON: null where there is none, else six decimals, which are a picosecond where times are in microseconds; of numbers below one,
// nine digits, so that slow links keep theirs.
#pragma once

#include <cmath>
#include <optional>

#include <nlohmann/json.hpp>

#include "p2plab/base/units.h"

namespace p2plab {

inline nlohmann::ordered_json number(std::optional<double> value) {
  if (!value) return nullptr;
  if (*value == 0 || !std::isfinite(*value) || std::abs(*value) >= 1) return std::round(*value * 1e6) / 1e6;
  constexpr int digits = 9;
  const auto scale = std::pow(10.0, digits - 1 - std::floor(std::log10(std::abs(*value))));
  return std::isfinite(scale) ? std::round(*value * scale) / scale : 0;
}

inline std::optional<double> in_us(std::optional<Seconds> time) { return time ? std::optional<double>(microseconds(*time)) : std::nullopt; }

}  // namespace p2plab
