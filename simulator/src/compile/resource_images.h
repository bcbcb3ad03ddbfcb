// SPDX-License-Identifier: Apache-2.0
// Resources that do the same for ranks that do the same.
//
// Why one of them tells what all do: a position is a stage of the way of a transfer of a representative. Image after image it names resources. Those
// that one position names form a class, with all positions that name any of them. If every resource of a class serves each position of the class for
// exactly one image, then by induction over time all of them see the same heads at the same times, and all ranks do the same; ties between heads are
// settled by what the images have in common (moment_order.h).
#pragma once

#include <algorithm>
#include <functional>
#include <set>
#include <span>
#include <tuple>
#include <vector>

#include "compile/compiled.h"
#include "compile/lane_dedup.h"
#include "compile/resource_paths.h"
#include "p2plab/detail/digest.h"

namespace p2plab {

class ResourceImages {
 public:
  /// The links of a transfer between an executor and an operand's rank.
  using LinksOf = std::function<std::span<const LinkId>(Rank executor, const Peer& peer)>;

  ResourceImages(const RankImages& images, ResourcePaths& machine, Compiled& out, LinksOf links_of)
      : images_(images),
        machine_(machine),
        out_(out),
        links_of_(std::move(links_of)),
        parent_(out.resources.size()),
        served_(parent_.size()),
        seen_(parent_.size()) {
    for (std::size_t r = 0; r < parent_.size(); ++r) parent_[r] = static_cast<std::uint32_t>(r);
  }

  /// A peer of a representative, the path to which was added last. False: images differ in it.
  bool take(Rank executor, const Peer& peer);
  /// Puts one resource of each class in the place of all; false: some resource serves several images, or not all positions.
  bool join();
  /// After `join`: where links are loaded through, are their other directions used by all links of a class or by none? Else quirks of loads may set
  /// images apart.
  bool directions_agree(const Topology& topology) const;

 private:
  std::vector<std::uint32_t> other_directions(const Topology& topology, LinkId link) const;
  bool serve(std::uint32_t resource, std::size_t s, std::size_t stages);
  std::uint32_t root(std::uint32_t resource) {
    while (parent_[resource] != resource) resource = parent_[resource] = parent_[parent_[resource]];
    return resource;
  }
  // The lowest stands for all, whatever the order.
  void unite(std::uint32_t a, std::uint32_t b) {
    const auto [low, high] = std::minmax({root(a), root(b)});
    parent_[high] = low;
  }

  const RankImages& images_;
  ResourcePaths& machine_;
  Compiled& out_;
  LinksOf links_of_;
  std::set<std::tuple<Rank, Rank, RouteId, bool, bool>> known_;
  std::vector<std::uint32_t> named_;      // the resources of the way at hand, image by image
  std::vector<std::uint32_t> positions_;  // the resource that each names in image 0
  std::vector<std::uint32_t> parent_;     // union-find over resources
  std::vector<std::uint32_t> served_;     // by resource: positions
  std::vector<std::uint32_t> seen_;       // by resource: one more than the last position that it served
  bool loads_ = false;
};

/// What is found of the ways that a schedule takes.
class FoldedResources {
 public:
  /// Of a representative: to or from a rank, by a route, as a load or a store.
  using Way = std::tuple<Rank, Rank, RouteId, bool>;

  FoldedResources(const Hash128& images, std::set<Way> ways, std::vector<std::uint32_t> stands_for, bool directions_agree)
      : images_(images), ways_(std::move(ways)), stands_for_(std::move(stands_for)), directions_agree_(directions_agree) {}

  /// Were they found for these images, and so many resources?
  bool are_of(const Program& program, std::size_t resources) const { return are_of(*program.images) && stands_for_.size() == resources; }
  bool are_of(const RankImages& images) const { return images_ == images.digest(); }
  bool directions_agree() const { return directions_agree_; }
  bool know(const Way& way) const { return ways_.contains(way); }
  /// By resource: the one that tells what it does.
  const std::vector<std::uint32_t>& stands_for() const& { return stands_for_; }

 private:
  Hash128 images_;
  std::set<Way> ways_;
  std::vector<std::uint32_t> stands_for_;
  bool directions_agree_;
};

}  // namespace p2plab
