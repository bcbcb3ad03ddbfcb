// SPDX-License-Identifier: Apache-2.0
// What a ring takes at least, before one is looked for.
#pragma once

#include <optional>

#include "p2plab/machine/routes.h"
#include "p2plab/schedule/collective.h"

namespace p2plab {

/// The latency of the hops that some chunk makes one after another in every ring through all members: all but one of its edges, twice for all_reduce.
/// They span the members, so together they take no less than the spanning tree of least latency. None where that says nothing: chunks that
/// leave the ring early, members that give nothing.
std::optional<Seconds> least_time_around(const Topology& topology, const Routes& routes, const Collective& collective);

}  // namespace p2plab
