// A bound on all-reduce that needs no program: cut the machine into parts, and count what must enter them all.
#pragma once

#include "p2plab/rational.h"
#include "p2plab/topology.h"

namespace p2plab::bounds {

/// Parts with GPUs, and the bandwidth into them all.
struct Partition {
  int parts = 0;
  std::int64_t capacity = 1;  // bytes per second
  /// Seconds per byte at GB/s: of k parts all but the roots' share must get the result (k - 1 times the payload in all), and as much again goes
  /// into sums; what switches pass on enters a part in the end.
  Rational inverse_rate() const;
};

/// The worst among the partitions into GPUs and switches joined by links wider than w, for every width w. All GPUs give and receive.
Partition worst_partition(const Topology& topology);

}  // namespace p2plab::bounds
