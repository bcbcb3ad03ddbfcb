// SPDX-License-Identifier: Apache-2.0
// What a plan takes at least that has a chain of steps, before it is made.
#pragma once

#include "p2plab/machine/topology.h"
#include "p2plab/program/planner.h"
#include "p2plab/simulator/profile.h"

namespace p2plab {

/// No program of a plan with this chain takes less, by slices, packets or copy engines, however it is cut: each kind needs a start, a step for each
/// of the chain's, their links' latency, and a signal between each and the next (the LogP model's `L + 2 o` for each message of a chain; Culler et
/// al., 1993). By packets the last rank is signalled, too. Bytes are left out: what they take at the busiest link is known of plans
/// (`Planner::least_time`).
Seconds chain_floor(const StepChain& chain, const Topology& topology, CollectiveKind kind, const Payload& payload, const Profile& profile);

}  // namespace p2plab
