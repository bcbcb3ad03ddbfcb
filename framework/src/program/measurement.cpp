// SPDX-License-Identifier: Apache-2.0
#include "p2plab/program/measurement.h"

#include <algorithm>

namespace p2plab {

std::optional<Seconds> Measurement::median() const {
  if (samples.empty()) return std::nullopt;
  auto sorted = samples;
  std::ranges::sort(sorted);
  const auto middle = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

}  // namespace p2plab
