// SPDX-License-Identifier: Apache-2.0
// What schedules are made of: places, pieces of the payload, and steps that read some places and write others.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "p2plab/base/ids.h"
#include "p2plab/base/result.h"

namespace p2plab {

/// Where a location lies. `host` is the rank's pinned host memory.
enum class Buffer : std::uint8_t { input, output, scratch, host };

std::string_view to_string(Buffer buffer);
Result<Buffer> buffer_kind(std::string_view name);

/// One chunk-sized place. In input and output the slot is the id of the chunk that lies there; in scratch and host it counts from 0.
struct Location {
  Rank rank;
  Buffer buffer : 2 = Buffer::input;
  std::uint32_t slot : 30 = 0;
  friend bool operator==(const Location& a, const Location& b) { return a.rank == b.rank && a.buffer == b.buffer && a.slot == b.slot; }
};
static_assert(sizeof(Location) == 8);

constexpr Location at(Rank rank, Buffer buffer, std::int64_t slot) {
  Location location{.rank = rank, .buffer = buffer};
  location.slot = static_cast<std::uint32_t>(slot) & 0x3fffffffU;
  return location;
}
constexpr Location input(Rank rank, ChunkId chunk) { return at(rank, Buffer::input, chunk.value); }
constexpr Location output(Rank rank, ChunkId chunk) { return at(rank, Buffer::output, chunk.value); }
constexpr Location scratch(Rank rank, std::int64_t slot) { return at(rank, Buffer::scratch, slot); }
constexpr Location host(Rank rank, std::int64_t slot) { return at(rank, Buffer::host, slot); }

/// A weighted piece of one block of the contract. Pieces of a block lie in order of chunk id; sizes go by weight within the block.
/// Steps on chunks of different channels run on different thread blocks; a channel is a share of the data with its own path (as in NCCL).
struct Chunk {
  std::int32_t block = 0;
  std::uint32_t weight = 1;
  std::int32_t channel = 0;
};

/// A step as seen in a schedule. Source order is the order of summation.
struct Step {
  Rank executor;
  std::span<const Location> sources;
  std::span<const Location> destinations;
  /// The explicit path of each source, then of each destination; empty, or `default_route`, means the topology's own route.
  std::span<const RouteId> routes;
};

inline constexpr RouteId default_route{-1};

}  // namespace p2plab
