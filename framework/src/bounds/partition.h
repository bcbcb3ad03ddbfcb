// SPDX-License-Identifier: Apache-2.0
// A bound on all-reduce that needs no program: cut the machine into parts, and count what must enter them all.
#pragma once

#include <span>
#include <vector>

#include "p2plab/detail/rational.h"
#include "p2plab/machine/topology.h"

namespace p2plab::bounds {

/// Parts with GPUs, and the bandwidth into them all.
struct Partition {
  int parts = 0;
  std::int64_t capacity = 1;   // bytes per second
  std::vector<int> part = {};  // by node
  /// Seconds per byte at GB/s: of k parts all but the roots' share must get the result (k - 1 times the payload in all), and as much again goes
  /// into sums; what switches pass on enters a part in the end.
  Rational inverse_rate() const;
};

/// The worst among the partitions into GPUs and switches joined by links wider than w, for every width w. All GPUs give and receive. Partitions with
/// a `reducing` node in a part without GPUs are left out: sums leave it that entered it as more.
Partition worst_partition(const Topology& topology, std::span<const NodeId> reducing);

}  // namespace p2plab::bounds
