// SPDX-License-Identifier: Apache-2.0
#include "p2plab/schedule/rank_images.h"

#include <algorithm>

namespace p2plab {

std::shared_ptr<const RankImages> RankImages::of(const Schedule& schedule) {
  if (!schedule.folding().folded()) return nullptr;
  auto all = std::make_shared<RankImages>();
  all->images_ = schedule.folding().images();
  bool moves_routes = false;
  for (int i = 0; i < all->images_; ++i) {
    for (int r = 0; r < schedule.ranks(); ++r) all->ranks_.push_back(schedule.in_image(i, Rank{r}));
    for (std::size_t k = 0; k < schedule.route_count(); ++k) {
      const RouteId route{static_cast<std::int64_t>(k)};
      all->routes_.push_back(schedule.in_image(i, route));
      moves_routes = moves_routes || all->routes_.back() != route;
    }
  }
  if (!moves_routes) all->routes_ = {};
  all->route_count_ = moves_routes ? schedule.route_count() : 0;
  all->representatives_.assign(static_cast<std::size_t>(schedule.ranks()), Rank{-1});
  if (!all->acts_freely() || !all->is_group()) return nullptr;
  Digest digest;
  for (const auto rank : all->ranks_) digest.add(rank.value);
  for (const auto route : all->routes_) digest.add(route.value);
  all->digest_ = digest.value();
  return all;
}

// Does no rank go to the same place twice, and are the places of two ranks the same or apart?
bool RankImages::acts_freely() {
  const auto ranks = representatives_.size();
  to_.assign(ranks, -1);
  back_.assign(ranks, -1);
  for (std::size_t r = 0; r < ranks; ++r) {
    const Rank rank{static_cast<std::int64_t>(r)};
    if (representatives_[r].value >= 0) continue;
    for (int i = 0; i < images_; ++i) {
      const auto there = moved(i, rank).index();
      if (representatives_[there].value >= 0) return false;
      representatives_[there] = rank;
      to_[there] = i;
    }
  }
  for (std::size_t r = 0; r < ranks; ++r) {
    for (int i = 0; i < images_; ++i) {
      const auto there = moved(i, Rank{static_cast<std::int64_t>(r)});
      if (representatives_[there.index()] != representatives_[r]) return false;
      if (there == representatives_[r]) back_[r] = i;
    }
    if (back_[r] < 0) return false;
  }
  return true;
}

// An image is known by where it carries rank 0. All are products of a few; what these few make of every image must be an image.
bool RankImages::is_group() const {
  const auto then = [&](int first, int second) { return to_[moved(second, moved(first, Rank{0})).index()]; };
  std::vector<bool> made(static_cast<std::size_t>(images_));
  std::vector<int> reached{0};
  std::vector<int> few;
  made[0] = true;
  for (int i = 1; i < images_; ++i) {
    if (made[static_cast<std::size_t>(i)]) continue;
    few.push_back(i);
    for (std::size_t at = 0; at < reached.size(); ++at) {
      for (const auto image : few) {
        const auto product = then(reached[at], image);
        if (made[static_cast<std::size_t>(product)]) continue;
        made[static_cast<std::size_t>(product)] = true;
        reached.push_back(product);
      }
    }
  }
  const auto is_product = [&](int first, int second) {
    const auto both = then(first, second);
    for (int r = 0; r < ranks(); ++r) {
      if (moved(both, Rank{r}) != moved(second, moved(first, Rank{r}))) return false;
    }
    for (std::size_t k = 0; k < route_count_; ++k) {
      const RouteId route{static_cast<std::int64_t>(k)};
      if (moved(both, route) != moved(second, moved(first, route))) return false;
    }
    return true;
  };
  for (const auto image : few) {
    for (int i = 0; i < images_; ++i) {
      if (!is_product(i, image)) return false;
    }
  }
  return true;
}

}  // namespace p2plab
