// SPDX-License-Identifier: Apache-2.0
#include "islands/rotated_islands.h"

namespace p2plab {

namespace {

constexpr std::size_t most_members = 2048;  // where each image carries each member is kept

}  // namespace

std::optional<RotatedIslands> RotatedIslands::create(const Hierarchy& hierarchy, const Collective& collective, int ranks, int level) {
  const bool all = collective.members.size() == static_cast<std::size_t>(ranks);
  if (!all || !hierarchy.even() || !collective.silent.empty() || !collective.shares.empty()) return std::nullopt;
  RotatedIslands rotated;
  rotated.level_ = static_cast<std::size_t>(level);
  rotated.images_.resize(hierarchy.width(level));
  for (std::size_t rotation = 0; rotation < rotated.images_.size(); ++rotation) {
    auto& to = rotated.images_[rotation].ranks;
    for (int r = 0; r < ranks; ++r) {
      auto digits = hierarchy.digits_of(Rank{r});
      auto& digit = digits[rotated.level_];
      digit = (digit + rotation) % rotated.images_.size();
      to.push_back(hierarchy.stands_for(hierarchy.levels(), 0, digits));
    }
  }
  return rotated;
}

std::optional<RotatedMembers> RotatedMembers::create(const Topology& topology, const Collective& collective, const PlanContext& context) {
  const auto n = collective.members.size();
  const bool all = n == static_cast<std::size_t>(topology.ranks());
  if (context.fixed_order || !all || n < fold_squares_from(context) || n > most_members || !collective.silent.empty() || !collective.shares.empty())
    return std::nullopt;
  const Hierarchy hierarchy(collective, find_islands(topology));
  if (!hierarchy.even()) return std::nullopt;
  auto [grid, members] = places_of(hierarchy);
  std::vector<std::int32_t> positions;
  for (const auto rank : members) positions.push_back(position_of(collective, rank));
  return RotatedMembers(std::move(grid), std::move(members), std::move(positions));
}

std::vector<Rank> RotatedMembers::before() const {
  std::vector<Rank> ranks;
  for (std::size_t k = 0; k < size(); ++k) ranks.push_back(members_[grid_.distance(k, 0)]);
  return ranks;
}

std::vector<Chunk> RotatedMembers::other_chunks(bool block_each) const {
  std::vector<Chunk> chunks;
  for (std::size_t place = 1; place < size(); ++place) chunks.push_back(chunk_of(place, block_each));
  return chunks;
}

std::vector<ScheduleImage> RotatedMembers::images() const {
  std::vector<ScheduleImage> images(size());
  for (std::size_t i = 0; i < images.size(); ++i) {
    images[i].ranks.resize(size());
    for (std::size_t p = 0; p < size(); ++p) images[i].ranks[members_[p].index()] = members_[grid_.moved(p, i)];
  }
  return images;
}

}  // namespace p2plab
