// SPDX-License-Identifier: Apache-2.0
// Cuts as proofs of bounds, evaluated once more from the machine alone: none of the code that found them is asked.
#pragma once

#include <span>
#include <vector>

#include "p2plab/detail/rational.h"
#include "p2plab/machine/topology.h"
#include "p2plab/schedule/collective.h"

namespace p2plab::bounds {

/// The seconds per byte (as Bound's inverse_rate) that no schedule of these blocks stays below because of what must leave `inside`, or enter it. In
/// whole numbers: each block that is given inside and wanted outside crosses once; links that cross carry their bandwidth, but those out of a
/// node, or into one, no more than its limit.
Rational proved_by_cut(const Topology& topology, CollectiveKind kind, int members, std::span<const Block> blocks, const std::vector<NodeId>& inside);

}  // namespace p2plab::bounds
