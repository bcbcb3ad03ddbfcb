// SPDX-License-Identifier: Apache-2.0
// An all-reduce over two levels in three steps, by one of two ways. Reading: whoever is in charge of a shard reads what its island holds and sends
// the sum on at once; who reduces the shard sends it to all islands; whoever gets it hands it out. So a shard crosses an island without a flag on its
// way out, in few thread blocks. Exchanging, for small payloads: an island's members add up a shard each; those who hold a shard send it to each
// other, and each adds up what it got; then it hands the sum out. So a shard crosses the way between islands once, but goes from each island to all
// others.
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

/// The first step of reading alone, of two levels: afterwards those that are in charge of shards in their outermost islands hold their parts.
void list_read_sums(DataFlow& flow, const Hierarchy& hierarchy, std::span<const InCharge> shards);

/// Of two levels.
void list_reading(DataFlow& flow, const Hierarchy& hierarchy, std::span<const InCharge> shards);

/// Who holds a shard: of each island the member with this digit, all in the order of the islands.
std::vector<Rank> holders_of(const Hierarchy& hierarchy, std::size_t digit);

/// Of two levels: a chunk for each member of an island, or the first one's alone; returns the others.
std::vector<Chunk> exchange_shards(DataFlow& flow, const Hierarchy& hierarchy, bool only_first);

}  // namespace p2plab
