// From a proved schedule to a program for one payload.
#pragma once

#include "p2plab/program.h"
#include "p2plab/verify.h"

namespace p2plab {

/// Lowers `schedule`, which `proof` proves, for `payload`.
/// Blocks get elements by share, chunks by weight within their block; chunk boundaries fall on multiples of 16 bytes from the block's start,
/// the last chunk takes the remainder, so any element count is valid, zero included. Steps of empty chunks are dropped.
/// Lanes: steps of one rank share a lane if they work on the same channel with the same remote ranks; within a lane, list order. So no
/// program can deadlock as long as all its lanes run at once. Waits that follow from other waits are left out.
/// Errors: negative or absurd sizes, tuning out of range, more than `int32` instructions in a lane.
Result<Program> lower(const Schedule& schedule, const Proof& proof, const Payload& payload, const Tuning& tuning);

/// Elements of each chunk for a payload, as `lower` cuts it: first element within the block, and how many.
struct ChunkExtent {
  std::int64_t first = 0;
  std::int64_t count = 0;
};
std::vector<ChunkExtent> cut(const Schedule& schedule, const Payload& payload);

/// Elements of each block of a payload: by share, remainders to the first blocks; the whole payload if there is one block.
std::vector<std::int64_t> block_elements(std::span<const Block> blocks, const Payload& payload);

}  // namespace p2plab
