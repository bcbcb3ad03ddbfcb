// SPDX-License-Identifier: Apache-2.0
// Partitions as proofs of bounds, evaluated once more from the machine alone.
#pragma once

#include <span>

#include "p2plab/detail/rational.h"
#include "p2plab/machine/topology.h"

namespace p2plab::bounds {

/// The seconds per byte (as Bound's inverse_rate) that no all-reduce of all GPUs stays below because of what must enter the parts: each part with
/// GPUs but one must get a sum's share and give one, so 2 x (parts - 1) payloads enter them over links between different parts. `part` by node; zero
/// if a node that adds (`reducing`) lies in a part without GPUs, where the argument does not hold.
Rational proved_by_partition(const Topology& topology, std::span<const int> part, std::span<const NodeId> reducing);

}  // namespace p2plab::bounds
