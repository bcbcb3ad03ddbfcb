// SPDX-License-Identifier: Apache-2.0
// Where blocks and chunks lie in the ranks' buffers, for a payload of any size.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "p2plab/schedule/payload.h"
#include "p2plab/schedule/schedule.h"

namespace p2plab {

/// Each block's size as a fraction of the payload. The payload is the buffer of one rank: all-to-all divides it among the blocks of each
/// sender, send/receive gives every pair all of it, the others divide it among all blocks, by share.
std::vector<double> block_fractions(const Collective& collective, std::span<const Block> blocks);

/// Each block's elements, by the same rule; remainders go one by one to the first blocks that have a share.
std::vector<std::int64_t> block_elements(const Collective& collective, std::span<const Block> blocks, const Payload& payload);

/// A chunk's elements: the first one, counted from the start of its block, and how many.
struct ChunkExtent {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

/// Cuts every block into its chunks by weight, but into equal parts of images first (block_parts.h). Boundaries fall on multiples of 16 bytes from
/// the block's start, the last chunk takes the remainder; chunks of a small block may be empty.
std::vector<ChunkExtent> cut(const Schedule& schedule, const Payload& payload);

/// The start of every block in the input and output buffers of every rank. Blocks lie in order of their number, without gaps.
class BufferLayout {
 public:
  BufferLayout(const Schedule& schedule, const Payload& payload)
      : BufferLayout(schedule.collective(), schedule.blocks(), schedule.ranks(), payload) {}
  /// The same from the contract alone: the blocks of `collective` among `ranks` ranks.
  BufferLayout(const Collective& collective, std::span<const Block> blocks, int ranks, const Payload& payload);

  /// Bytes of a rank's whole input or output.
  Bytes input_size(Rank rank) const { return Bytes{inputs_.of(rank).size}; }
  Bytes output_size(Rank rank) const { return Bytes{outputs_.of(rank).size}; }
  /// Byte offset of a block in a rank's buffer, or -1 if the block is not in it.
  std::int64_t input_offset(Rank rank, std::int32_t block) const { return inputs_.of(rank).find(block); }
  std::int64_t output_offset(Rank rank, std::int32_t block) const { return outputs_.of(rank).find(block); }
  /// In-place operation: can a rank's smaller buffer lie within its larger one? Only if all of its blocks lie there, too, and all at one distance.
  bool shares(Rank rank) const;
  /// In-place operation: where a rank's smaller buffer lies within its larger one (byte offset of output within input, or of input within
  /// output), so that common blocks coincide. Zero if the two have no common block.
  std::int64_t output_within_input(Rank rank) const;

 private:
  struct Place {
    std::int32_t block;
    std::int64_t offset;
  };
  struct Side {
    std::vector<Place> places;  // by rising block
    std::int64_t size = 0;
    std::int64_t find(std::int32_t block) const;
  };
  // Ranks that hold the same blocks have one side.
  struct Sides {
    std::vector<Side> all;
    std::vector<std::size_t> of_rank;
    const Side& of(Rank rank) const { return all[of_rank[rank.index()]]; }
  };
  static Sides sides(std::span<const Block> blocks, int ranks, const std::vector<std::int64_t>& bytes, RankList Block::*holders);

  Sides inputs_;
  Sides outputs_;
};

}  // namespace p2plab
