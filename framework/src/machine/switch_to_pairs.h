// SPDX-License-Identifier: Apache-2.0
// A switch written out as the pairs that it joins.
#pragma once

#include "p2plab/machine/topology.h"

namespace p2plab {

/// `topology` with node `hub`, which must not be a gpu, replaced by a direct link for every way through it: from each node that enters it to each
/// other one that it leads to, as wide as the narrower of the two links, with both latencies. Every previous link becomes a group over the links
/// that stand for it, and so do limits of the hub, so the machine can do exactly what it could before; but now one pair can be taken away.
Result<Topology> unfold(const Topology& topology, NodeId hub);

}  // namespace p2plab
