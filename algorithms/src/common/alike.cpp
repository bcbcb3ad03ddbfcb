// SPDX-License-Identifier: Apache-2.0
#include "common/alike.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

namespace p2plab {

WrappedGrid::WrappedGrid(std::vector<std::size_t> extents)
    : extents_(std::move(extents)), size_(std::accumulate(extents_.begin(), extents_.end(), std::size_t{1}, std::multiplies<>{})) {}

std::size_t WrappedGrid::combined(std::size_t a, std::size_t b, bool backwards) const {
  std::size_t place = 0;
  std::size_t stride = 1;
  for (const auto extent : extents_) {
    const auto by = b % extent;
    place += stride * ((a % extent + (backwards ? extent - by : by)) % extent);
    stride *= extent;
    a /= extent;
    b /= extent;
  }
  return place;
}

std::optional<AlikeMembers> AlikeMembers::create(WrappedGrid grid, std::vector<Rank> members, std::span<const Block> blocks) {
  constexpr auto nowhere = ~std::size_t{0};
  expects(grid.size() == members.size());
  AlikeMembers alike(std::move(grid), std::move(members));
  const auto n = alike.size();
  std::vector<std::size_t> places;
  for (std::size_t p = 0; p < n; ++p) {
    const auto rank = alike.members_[p].index();
    if (rank >= places.size()) places.resize(rank + 1, nowhere);
    places[rank] = p;
  }
  if (n == 0 || blocks.empty() || blocks.size() % n != 0) return std::nullopt;
  struct Sent {
    std::size_t distance;
    std::int32_t block;
  };
  std::vector<std::vector<Sent>> sent(n);
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const auto& block = blocks[b];
    if (block.contributors.size() != 1 || block.receivers.size() != 1 || block.share != blocks.front().share) return std::nullopt;
    const auto from = places[block.contributors.front().index()];
    sent[from].push_back({alike.grid_.distance(from, places[block.receivers.front().index()]), static_cast<std::int32_t>(b)});
  }
  for (auto& of_place : sent) std::ranges::stable_sort(of_place, {}, &Sent::distance);
  for (const auto& first : sent.front()) alike.distances_.push_back(first.distance);
  for (const auto& of_place : sent) {
    if (!std::ranges::equal(of_place, alike.distances_, {}, &Sent::distance)) return std::nullopt;
    for (const auto& one : of_place) alike.blocks_.push_back(one.block);
  }
  return alike;
}

std::vector<ScheduleImage> AlikeMembers::images(int ranks) const {
  std::vector<ScheduleImage> images(size());
  for (std::size_t i = 0; i < images.size(); ++i) {
    for (int r = 0; r < ranks; ++r) images[i].ranks.emplace_back(r);
    for (std::size_t p = 0; p < size(); ++p) images[i].ranks[members_[p].index()] = members_[grid_.moved(p, i)];
  }
  return images;
}

std::vector<Chunk> AlikeMembers::other_chunks() const {
  std::vector<Chunk> chunks;
  for (auto b = blocks_.begin() + static_cast<std::ptrdiff_t>(distances_.size()); b != blocks_.end(); ++b) chunks.push_back({*b, 1, 0});
  return chunks;
}

std::size_t fold_squares_from(const PlanContext& context) {
  constexpr std::size_t fewer = 8;
  return std::max<std::size_t>(2, context.fold_from / fewer);
}

std::vector<Rank> turned_by(std::size_t places, const std::vector<Rank>& circle) {
  std::vector<Rank> to(circle.size());
  for (std::size_t k = 0; k < circle.size(); ++k) to[circle[k].index()] = circle[(k + places) % circle.size()];
  return to;
}

std::vector<ScheduleImage> all_turns_by(std::size_t places, const std::vector<Rank>& circle) {
  std::vector<ScheduleImage> images;
  for (std::size_t by = 0; by < circle.size(); by += places) images.push_back({turned_by(by, circle)});
  return images;
}

bool may_turn(const Topology& topology, const Collective& collective, const PlanContext& context) {
  const auto members = collective.members.size();
  return std::cmp_equal(members, topology.ranks()) && members >= fold_squares_from(context) && !context.fixed_order && collective.silent.empty() &&
         collective.shares.empty();
}

}  // namespace p2plab
