// SPDX-License-Identifier: Apache-2.0
// Ranks that do the same: the images of a folded schedule as a group that acts freely on the ranks.
#pragma once

#include <memory>
#include <vector>

#include "p2plab/detail/digest.h"
#include "p2plab/schedule/schedule.h"

namespace p2plab {

/// Of a folded schedule whose images, one after another, are images again, and of which only the first leaves any rank where it is. Then each rank
/// has ranks / images representatives' one: the lowest that some image carries there, and only one does.
class RankImages {
 public:
  /// Null where the schedule is not folded, or its images do not act so.
  static std::shared_ptr<const RankImages> of(const Schedule& schedule);

  int images() const { return images_; }
  int ranks() const { return static_cast<int>(representatives_.size()); }
  Rank moved(int image, Rank rank) const { return ranks_[static_cast<std::size_t>(image) * representatives_.size() + rank.index()]; }
  RouteId moved(int image, RouteId route) const {
    return route_count_ == 0 || route == default_route ? route : routes_[static_cast<std::size_t>(image) * route_count_ + route.index()];
  }
  Rank representative(Rank rank) const { return representatives_[rank.index()]; }
  /// The image that carries its representative there, and the one that carries it to its representative.
  int to(Rank rank) const { return to_[rank.index()]; }
  int back(Rank rank) const { return back_[rank.index()]; }
  /// The image that undoes this one.
  int inverse(int image) const { return back(moved(image, Rank{0})); }
  /// Of where all images carry ranks and routes.
  const Hash128& digest() const& { return digest_; }
  const Hash128& digest() && = delete;

 private:
  bool acts_freely();
  bool is_group() const;

  int images_ = 1;
  std::vector<Rank> ranks_;  // image by image, by rank
  std::size_t route_count_ = 0;
  std::vector<RouteId> routes_;  // image by image, by route; empty: routes stay
  std::vector<Rank> representatives_;
  std::vector<int> to_;
  std::vector<int> back_;
  Hash128 digest_;
};

}  // namespace p2plab
