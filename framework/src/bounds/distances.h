// How far givers are from receivers: in transfers, and in link delays.
#pragma once

#include <span>

#include "p2plab/collective.h"
#include "p2plab/result.h"
#include "p2plab/topology.h"

namespace p2plab::bounds {

struct Distances {
  int transfers = 0;   // the most that any pair of giver and receiver needs
  Seconds latency{0};  // the longest of the least delays
};

/// Errors: a receiver that cannot be reached from a giver, not even by relaying; names the two and the set that nothing leaves.
Result<Distances> distances(const Topology& topology, std::span<const Block> blocks);

}  // namespace p2plab::bounds
