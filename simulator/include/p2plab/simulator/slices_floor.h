// SPDX-License-Identifier: Apache-2.0
// What a plan takes at least by slices, before it is proved and lowered.
#pragma once

#include "p2plab/machine/topology.h"
#include "p2plab/schedule/payload.h"
#include "p2plab/schedule/schedule.h"
#include "p2plab/simulator/profile.h"

namespace p2plab {

/// No program of this schedule that runs slice by slice takes less, however it is cut: along the longest chain of steps that read what another wrote,
/// each has a thread block's loop, its links' latency and, from rank to rank, a flag. Bytes are left out. Zero where that is not known: of folded
/// schedules, and where some chunk is empty.
Seconds slices_floor(const Topology& topology, const Schedule& schedule, const Payload& payload, const Profile& profile);

}  // namespace p2plab
