// SPDX-License-Identifier: Apache-2.0
// Linear programs whose answer is small beside the widest link: their tolerance is a part of the widest number in them.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>

#include "p2plab/detail/narrowed.h"

namespace p2plab::bounds {

/// The answer of `solve(machine)`, whose member or value `rate_of(answer)` is in bytes per second, at the scale of that rate. `uses`: how often some
/// best solution crosses a link with all of its rate, at most. A solution of the rate r needs no link wider than r times that; so where the answer
/// on a narrowed machine stays below its width divided by `uses`, it is that of the whole machine. None if the solver gives up, or if no scale is
/// found at which its answer holds.
template <class Solve, class RateOf>
auto at_scale(const Topology& topology, double uses, const Solve& solve, const RateOf& rate_of) -> decltype(solve(topology)) {
  constexpr int most_rounds = 16;
  constexpr double near = 1000;
  constexpr double margin = 4;
  constexpr double noise = 1e-9;  // of the width: what an answer of zero may hide
  const auto widest = static_cast<double>(widest_rate(topology).bytes_per_second());
  double width = widest;
  for (int round = 0; round < most_rounds; ++round) {
    auto found = width < widest ? solve(narrowed(topology, Bandwidth::bytes_per_second(static_cast<std::int64_t>(width)))) : solve(topology);
    if (!found) return found;
    const auto wanted = std::min(widest, std::ceil(margin * uses * std::max({rate_of(*found), noise * width, 1.0})));
    const bool wide_enough = width == widest || width * 2 >= wanted;
    if (wide_enough && width <= near * wanted) return found;
    width = wanted;
  }
  return std::nullopt;
}

}  // namespace p2plab::bounds
