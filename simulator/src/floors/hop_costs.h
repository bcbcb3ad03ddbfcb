// SPDX-License-Identifier: Apache-2.0
// What the cost model asks of every hop of a program, by its kind.
#pragma once

#include <vector>

#include "p2plab/simulator/collective_floor.h"

namespace p2plab {

/// What a kind's hops cost at least, in seconds.
struct HopCosts {
  ProgramKind kind = ProgramKind::slices;
  double start = 0;    // nobody does anything before
  double step = 0;     // a thread block, before it sends or after it has loaded
  double signal = 0;   // between a store's arrival and the next step
  double request = 0;  // a load asks first: times its way's latency
  double end = 0;      // after the last arrival
  double rate = 1;     // data over a link's raw bandwidth
  bool loads = false;  // a step may read from other ranks, so that its load and its store make two hops
};

/// Of each kind that can do such a collective on this machine.
std::vector<HopCosts> hop_costs(const Topology& topology, CollectiveKind kind, const Payload& payload, const Profile& profile);

}  // namespace p2plab
