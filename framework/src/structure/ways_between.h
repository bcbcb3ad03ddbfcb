// SPDX-License-Identifier: Apache-2.0
// The paths between two ranks, there and back.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "p2plab/machine/islands.h"

namespace p2plab {

/// By the furthest thing on the path; `none` if it is empty.
RouteClass class_of_path(const Topology& topology, std::span<const LinkId> path);

/// Pairs of ranks by the kinds of both paths: those of one kind are as wide and as far apart.
class WaysBetween {
 public:
  explicit WaysBetween(const Topology& topology);

  /// Of two different ranks, in either order.
  std::uint32_t kind(std::size_t a, std::size_t b) const { return kind_of_[a * ranks_ + b]; }
  std::size_t count() const { return kinds_.size(); }
  /// As good as the worse direction; zero if there is no path one way.
  std::int64_t width(std::uint32_t kind) const { return std::min(paths_[kinds_[kind].first].width, paths_[kinds_[kind].second].width); }
  std::int64_t wider(std::uint32_t kind) const { return std::max(paths_[kinds_[kind].first].width, paths_[kinds_[kind].second].width); }
  /// The class, and how many nodes forward.
  std::pair<RouteClass, std::size_t> distance(std::uint32_t kind) const {
    return std::max(paths_[kinds_[kind].first].distance, paths_[kinds_[kind].second].distance);
  }

 private:
  struct Path {
    std::int64_t width = 0;
    std::pair<RouteClass, std::size_t> distance{RouteClass::none, 0};
  };

  void join();

  std::size_t ranks_;
  std::vector<Path> paths_;                                     // by PairKinds' kind
  std::vector<std::pair<std::uint32_t, std::uint32_t>> kinds_;  // of the paths
  std::vector<std::uint32_t> kind_of_;                          // by pair of ranks
};

}  // namespace p2plab
