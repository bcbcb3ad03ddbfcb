// SPDX-License-Identifier: Apache-2.0
// What a ring takes at least, before one is looked for.
#pragma once

#include <cstddef>
#include <optional>

#include "p2plab/machine/topology.h"
#include "p2plab/program/planner.h"
#include "p2plab/schedule/collective.h"

namespace p2plab {

struct RingLoad {
  std::size_t rings = 1;  // at most
  double block = 0;       // bytes that each member has for each other one, at least
};

/// The latency of the hops that some chunk makes one after another in every ring through all members: all but one of its edges, twice for all_reduce.
/// They span the members, so together they take no less than the spanning tree of least latency. For all_to_all what crosses the network between
/// equal servers. None where that says nothing: chunks that leave the ring early, members that give nothing.
std::optional<Seconds> least_time_around(const Topology& topology, const Collective& collective, const RingLoad& load = {});

/// The chain of all_to_all: along R rings a member reaches R others more with each hop, so the last of n - 1 goes (n - 1) / R hops one after another.
/// None of the others, whose chains `least_time_around` counts.
std::optional<StepChain> least_chain_around(const Topology& topology, const Collective& collective, const RingLoad& load, const Payload& payload);

}  // namespace p2plab
