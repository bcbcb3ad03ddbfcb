// SPDX-License-Identifier: Apache-2.0
// A first guess of what a plan takes, to compare forms of it; the simulator predicts.
#pragma once

#include "p2plab/program/planner.h"

namespace p2plab {

/// What sizes of 0 (a plan for any size) are taken for.
inline constexpr Bytes usual_size = Bytes{16LL << 20};

/// The payload through the busiest link, plus a latency for every round: that of the longest route between members and a flag's. Sizes of 0 count
/// as usual_size.
Seconds estimated_time(const Topology& topology, const Routes& routes, const Schedule& schedule, Bytes size);

/// Suggests slices for a plan whose data passes through several ranks in a row: the size at which filling the pipeline costs as much as the
/// slices' latencies, sqrt(size * latency / (hops * time per byte)), at least 16 KiB. Leaves plans of one hop and empty payloads as they are.
void suggest_slices(Plan& plan, const Topology& topology, const Routes& routes, Bytes size);

}  // namespace p2plab
