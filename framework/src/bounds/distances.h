// SPDX-License-Identifier: Apache-2.0
// How far senders are from receivers: in transfers, and in link delays.
#pragma once

#include <span>

#include "p2plab/base/result.h"
#include "p2plab/machine/topology.h"
#include "p2plab/schedule/collective.h"

namespace p2plab::bounds {

struct Distances {
  int transfers = 0;   // the most that any pair of sender and receiver needs
  Seconds latency{0};  // the longest of the least delays
};

/// Errors: a receiver that cannot be reached from a sender, not even by relaying; names the two and the set that nothing leaves.
Result<Distances> distances(const Topology& topology, std::span<const Block> blocks);

}  // namespace p2plab::bounds
