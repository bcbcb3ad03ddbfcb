// SPDX-License-Identifier: Apache-2.0
// The one value everything turns on: a list of steps. A rank reads one or more locations, adds them, and writes the sum to one or more.
// A schedule means what it does when its steps run one after another, in list order; parallelism is derived from it, never declared.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "p2plab/schedule/collective.h"
#include "p2plab/schedule/folding.h"
#include "p2plab/schedule/step.h"

namespace p2plab {

/// An immutable list of steps in compact storage (about 30 bytes a step). It may be folded: then it stores the steps of image 0, the base, and how
/// each other image moves ranks and routes (see folding.h for the order of all steps). A StepReader (step_reader.h) reads both.
class Schedule {
 public:
  class Builder;

  const Collective& collective() const& { return collective_; }
  const Collective& collective() && = delete;
  /// Number of ranks of the machine (members and others).
  int ranks() const { return ranks_; }
  std::span<const Block> blocks() const& { return *blocks_; }
  std::span<const Block> blocks() && = delete;
  /// The chunks of all images, those of the base first.
  std::span<const Chunk> chunks() const& { return chunks_; }
  std::span<const Chunk> chunks() && = delete;
  const Block& block_of(ChunkId chunk) const& { return (*blocks_)[static_cast<std::size_t>(chunks_[chunk.index()].block)]; }
  const Block& block_of(ChunkId chunk) && = delete;

  /// The steps of all images.
  std::size_t step_count() const { return executors_.size() * static_cast<std::size_t>(folding_.images()); }
  /// The links of an explicit route.
  std::span<const LinkId> route(RouteId id) const&;
  std::span<const LinkId> route(RouteId id) && = delete;
  std::size_t route_count() const { return route_offsets_.size() - 1; }

  /// How many slots of scratch or host memory a rank uses: one more than the highest slot that a step names.
  int slots(Rank rank, Buffer buffer) const;
  /// Bytes of memory that this value occupies.
  std::size_t memory() const;

  const Folding& folding() const& { return folding_; }
  const Folding& folding() && = delete;
  std::size_t base_step_count() const { return executors_.size(); }
  /// A step as it is stored: of image 0.
  Step base_step(StepId id) const&;
  Step base_step(StepId id) && = delete;
  /// Image 0 alone, as a schedule that leaves the other chunks undone.
  Schedule base() const;
  std::size_t base_chunk_count() const { return chunks_.size() / static_cast<std::size_t>(folding_.images()); }
  /// Where an image has what the base has here.
  Rank in_image(int image, Rank rank) const { return image == 0 ? rank : image_ranks_[row(image) + rank.index()]; }
  RouteId in_image(int image, RouteId route) const;
  ChunkId in_image(int image, ChunkId chunk) const { return ChunkId{static_cast<std::int64_t>(base_chunk_count()) * image + chunk.value}; }
  Location in_image(int image, const Location& location) const;

 private:
  Schedule() = default;
  std::size_t row(int image) const { return static_cast<std::size_t>(image) * static_cast<std::size_t>(ranks_); }
  void count_slots();
  static std::size_t area(Rank rank, Buffer buffer) { return rank.index() * 2 + (buffer == Buffer::host ? 1 : 0); }

  Collective collective_;
  int ranks_ = 0;
  std::shared_ptr<const std::vector<Block>> blocks_;  // copies share them
  std::vector<Chunk> chunks_;
  std::vector<Rank> executors_;
  std::vector<std::uint32_t> source_ends_;  // locations of step i: [ends_[i-1], source_ends_[i]) then up to ends_[i]
  std::vector<std::uint32_t> ends_;
  std::vector<Location> locations_;
  std::vector<RouteId> routes_;  // parallel to locations_, or empty
  std::vector<std::uint32_t> route_offsets_ = {0};
  std::vector<LinkId> route_links_;
  std::vector<std::int32_t> slots_;  // by area, of all images
  Folding folding_;
  std::vector<Rank> image_ranks_;           // image by image, by rank of the base
  std::vector<RouteId> image_routes_;       // image by image, by route; empty: routes stay
  std::vector<std::uint32_t> first_slots_;  // image by image, by area of the base: where its slots begin; empty: there are none
};

/// Collects steps in the order in which they happen.
class Schedule::Builder {
 public:
  /// Errors: those of `contract`.
  static Result<Builder> create(Collective collective, int ranks);

  std::span<const Block> blocks() const& { return *schedule_.blocks_; }
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
  /// Folds: the steps are those of image 0, and of the chunks each image has as many, image by image.
  void fold(std::vector<ScheduleImage> images) { images_ = std::move(images); }

  /// Ends the building. Errors name the step: an empty or over-long list, a rank, slot, chunk or route that is not there, a block with a share
  /// but no chunk, a chunk with weight 0; an image that is no permutation, a first one that moves something, more than 2^26 steps by images.
  Result<Schedule> build() &&;

 private:
  Builder() = default;
  Status fold_up();
  Status place_slots();
  Schedule schedule_;
  std::vector<ScheduleImage> images_;
};

}  // namespace p2plab
