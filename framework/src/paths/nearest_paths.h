// SPDX-License-Identifier: Apache-2.0
// Paths out of one node, each over the nearest reach that has one.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "paths/path_finder.h"

namespace p2plab {

class NearestPaths {
 public:
  explicit NearestPaths(const Topology& topology);

  void start(NodeId source);
  /// Empty where there is none, and to the node itself.
  std::vector<LinkId> path_to(NodeId target);
  /// Has the last path no equal?
  bool only_one() const { return only_one_; }
  /// The host that holds the pinned memory of a GPU, in its own server if there is one; and whether no other is as wide and as near.
  std::pair<std::optional<NodeId>, bool> host_of(NodeId gpu);

 private:
  PathFinder& started(std::size_t finder);
  std::pair<std::optional<NodeId>, bool> widest_host(PathFinder& finder) const;

  const Topology& topology_;
  std::vector<PathFinder> finders_;
  NodeId source_;
  unsigned started_ = 0;  // a bit for each finder
  bool only_one_ = true;
};

}  // namespace p2plab
