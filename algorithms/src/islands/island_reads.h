// SPDX-License-Identifier: Apache-2.0
// An all-reduce over two levels in three steps and few thread blocks: whoever is in charge of a shard reads what its island holds and sends the sum
// on at once; who reduces the shard sends it to all islands; whoever gets it hands it out. So a shard crosses an island without a flag on its way
// out.
#pragma once

#include <span>
#include <vector>

#include "common/data_flow.h"
#include "islands/hierarchy.h"

namespace p2plab {

/// A shard, and who is in charge of it at each level.
struct InCharge {
  ChunkId chunk;
  std::vector<std::size_t> digits;
};

/// Of two levels.
void list_reading(DataFlow& flow, const Hierarchy& hierarchy, std::span<const InCharge> shards);

}  // namespace p2plab
