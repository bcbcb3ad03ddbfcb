// The one value everything turns on: a list of steps. A rank reads one or more locations, adds them, and writes the sum to one or more.
// A schedule means what it does when its steps run one after another, in list order; parallelism is derived from it, never declared.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "p2plab/collective.h"
#include "p2plab/ids.h"
#include "p2plab/result.h"

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

/// An immutable list of steps in compact storage (about 30 bytes a step).
class Schedule {
 public:
  class Builder;

  const Collective& collective() const& { return collective_; }
  const Collective& collective() && = delete;
  /// Number of ranks of the machine (members and others).
  int ranks() const { return ranks_; }
  std::span<const Block> blocks() const& { return blocks_; }
  std::span<const Block> blocks() && = delete;
  std::span<const Chunk> chunks() const& { return chunks_; }
  std::span<const Chunk> chunks() && = delete;
  const Block& block_of(ChunkId chunk) const& { return blocks_[static_cast<std::size_t>(chunks_[chunk.index()].block)]; }
  const Block& block_of(ChunkId chunk) && = delete;

  std::size_t step_count() const { return executors_.size(); }
  Step step(StepId id) const&;
  Step step(StepId id) && = delete;
  /// The links of an explicit route.
  std::span<const LinkId> route(RouteId id) const&;
  std::span<const LinkId> route(RouteId id) && = delete;
  std::size_t route_count() const { return route_offsets_.size() - 1; }

  /// How many slots of scratch or host memory a rank uses: one more than the highest slot that a step names.
  int slots(Rank rank, Buffer buffer) const;
  /// Bytes of memory that this value occupies.
  std::size_t memory() const;

 private:
  Schedule() = default;
  Collective collective_;
  int ranks_ = 0;
  std::vector<Block> blocks_;
  std::vector<Chunk> chunks_;
  std::vector<Rank> executors_;
  std::vector<std::uint32_t> source_ends_;  // locations of step i: [ends_[i-1], source_ends_[i]) then up to ends_[i]
  std::vector<std::uint32_t> ends_;
  std::vector<Location> locations_;
  std::vector<RouteId> routes_;  // parallel to locations_, or empty
  std::vector<std::uint32_t> route_offsets_ = {0};
  std::vector<LinkId> route_links_;
  std::vector<std::int32_t> slots_;  // rank * 2 + (host ? 1 : 0)
};

/// Collects steps in the order in which they happen.
class Schedule::Builder {
 public:
  /// Errors: those of `contract`.
  static Result<Builder> create(Collective collective, int ranks);

  std::span<const Block> blocks() const& { return schedule_.blocks_; }
  std::span<const Block> blocks() && = delete;
  int chunk_count() const { return static_cast<int>(schedule_.chunks_.size()); }

  /// Adds a piece of a block; returns its id.
  ChunkId add_chunk(Chunk chunk);
  /// Adds a path for steps to name; the verifier checks that it leads where it is used.
  RouteId add_route(std::span<const LinkId> links);
  /// Appends a step. `routes` is empty or gives one per source, then one per destination.
  StepId add_step(Rank executor, std::span<const Location> sources, std::span<const Location> destinations, std::span<const RouteId> routes = {});
  /// Appends a step with one source and one destination.
  StepId copy(Rank executor, Location from, Location to);

  /// Ends the building. Errors name the step: an empty or over-long list, a rank, slot, chunk or route that is not there, a block with a share
  /// but no chunk, a chunk with weight 0.
  Result<Schedule> build() &&;

 private:
  Builder() = default;
  Schedule schedule_;
};

}  // namespace p2plab
