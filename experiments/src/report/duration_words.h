// SPDX-License-Identifier: Apache-2.0
// How long something is said to take.
#pragma once

#include <cmath>
#include <string>

#include <fmt/format.h>

namespace p2plab {

/// "8 s", "12 min", "3.5 h".
inline std::string duration_words(double seconds) {
  if (seconds < 90) return fmt::format("{:.0f} s", std::ceil(seconds));
  if (seconds < 90 * 60) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

}  // namespace p2plab
