// SPDX-License-Identifier: Apache-2.0
// A first guess of what a plan takes, for any payload, without a simulation: by it planners choose among their variants.
#pragma once

#include <span>

#include "p2plab/program/planner.h"

namespace p2plab {

/// What sizes of 0 (a plan for any size) are taken for.
inline constexpr Bytes usual_size = Bytes{16LL << 20};

/// The payload through the busiest link, plus a latency for every round.
struct PlanEstimate {
  double seconds_per_byte = 0;  // of the payload, at the busiest link, group or node limit
  Seconds latency{0};           // all rounds: that of the longest route between members, and a flag's

  /// Sizes of 0 count as usual_size.
  Seconds time(Bytes size) const;
};

PlanEstimate estimate(const Topology& topology, const Schedule& schedule);

/// The place of the least time for this size; of those that are as good, the first.
std::size_t least_estimated(std::span<const PlanEstimate> estimates, Bytes size);

}  // namespace p2plab
