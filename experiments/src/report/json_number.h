// SPDX-License-Identifier: Apache-2.0
// Numbers in our JSON: null where there is none, else six decimals, which are a picosecond where times are in microseconds.
#pragma once

#include <cmath>
#include <optional>

#include <nlohmann/json.hpp>

#include "p2plab/base/units.h"

namespace p2plab {

inline nlohmann::ordered_json number(std::optional<double> value) {
  if (!value) return nullptr;
  return std::round(*value * 1e6) / 1e6;
}

inline std::optional<double> in_us(std::optional<Seconds> time) { return time ? std::optional<double>(microseconds(*time)) : std::nullopt; }

}  // namespace p2plab
