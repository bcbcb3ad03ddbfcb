// SPDX-License-Identifier: Apache-2.0
#include "direct/hierarchy.h"

#include <algorithm>
#include <numeric>

namespace p2plab {

Hierarchy::Hierarchy(const Collective& collective, const std::vector<IslandLevel>& levels) : members_(collective.members) {
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (members_[i].index() >= places_.size()) places_.resize(members_[i].index() + 1, members_.size());
    places_[members_[i].index()] = i;
  }
  std::vector<std::size_t> part_of(members_.size());  // of each member, in the level above
  std::iota(part_of.begin(), part_of.end(), std::size_t{0});
  std::size_t parts = part_of.size();
  for (const auto& level : levels) {
    auto island_of = islands_of_members(level);
    const auto islands = 1 + *std::ranges::max_element(island_of);
    if (islands == parts || islands == 1) continue;
    add_level(part_of, island_of);
    part_of = std::move(island_of);
    parts = islands;
  }
  add_level(part_of, std::vector<std::size_t>(part_of.size(), 0));
  find_digits();
}

std::size_t Hierarchy::width(int level) const {
  std::size_t most = 0;
  for (const auto& island : islands(level)) most = std::max(most, island.size());
  return most;
}

bool Hierarchy::even() const {
  return std::ranges::all_of(parts_, [](const auto& level) {
    return std::ranges::all_of(level, [&](const auto& island) { return island.size() == level.front().size(); });
  });
}

Rank Hierarchy::stands_for(int level, std::size_t part, const std::vector<std::size_t>& digits) const {
  for (; level > 0; --level) {
    const auto& island = islands(level - 1)[part];
    part = island[digits[static_cast<std::size_t>(level - 1)] % island.size()];
  }
  return members_[part];
}

// Islands by first member, without those that have none.
std::vector<std::size_t> Hierarchy::islands_of_members(const IslandLevel& level) const {
  const auto none = level.islands.size();
  std::vector<std::size_t> given(places_.size(), none);  // by rank
  for (std::size_t i = 0; i < level.islands.size(); ++i) {
    for (const auto rank : level.islands[i]) {
      if (rank.index() < given.size()) given[rank.index()] = i;
    }
  }
  std::vector<std::size_t> numbers(level.islands.size(), none);
  std::vector<std::size_t> found;
  std::size_t next = 0;
  for (const auto rank : members_) {
    if (given[rank.index()] == none) {  // on no island: one of its own
      found.push_back(next++);
      continue;
    }
    auto& number = numbers[given[rank.index()]];
    if (number == none) number = next++;
    found.push_back(number);
  }
  return found;
}

void Hierarchy::add_level(const std::vector<std::size_t>& part_of, const std::vector<std::size_t>& island_of) {
  std::vector<std::vector<std::size_t>> level(1 + *std::ranges::max_element(island_of));
  std::vector<bool> met(1 + *std::ranges::max_element(part_of));
  for (std::size_t i = 0; i < part_of.size(); ++i) {
    if (!met[part_of[i]]) level[island_of[i]].push_back(part_of[i]);
    met[part_of[i]] = true;
  }
  parts_.push_back(std::move(level));
}

void Hierarchy::find_digits() {
  digits_.resize(members_.size());
  islands_.resize(members_.size());
  std::vector<std::size_t> part_of(members_.size());
  std::iota(part_of.begin(), part_of.end(), std::size_t{0});
  for (const auto& level : parts_) {
    std::vector<std::size_t> digit(members_.size());
    std::vector<std::size_t> island_of(members_.size());
    for (std::size_t island = 0; island < level.size(); ++island) {
      for (std::size_t d = 0; d < level[island].size(); ++d) digit[level[island][d]] = d, island_of[level[island][d]] = island;
    }
    for (std::size_t i = 0; i < members_.size(); ++i) {
      digits_[i].push_back(digit[part_of[i]]);
      islands_[i].push_back(island_of[part_of[i]]);
      part_of[i] = island_of[part_of[i]];
    }
  }
}

MemberPlaces places_of(const Hierarchy& hierarchy) {
  std::vector<std::size_t> extents;
  for (int level = 0; level < hierarchy.levels(); ++level) extents.push_back(hierarchy.width(level));
  MemberPlaces places{WrappedGrid(extents), {}};
  std::vector<std::size_t> digits(extents.size());
  for (std::size_t place = 0; place < places.grid.size(); ++place) {
    auto rest = place;
    for (std::size_t level = 0; level < extents.size(); rest /= extents[level++]) digits[level] = rest % extents[level];
    places.members.push_back(hierarchy.stands_for(hierarchy.levels(), 0, digits));
  }
  return places;
}

}  // namespace p2plab
