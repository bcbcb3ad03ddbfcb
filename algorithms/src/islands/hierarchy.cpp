// SPDX-License-Identifier: Apache-2.0
#include "islands/hierarchy.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "p2plab/machine/routes.h"

namespace p2plab {

Hierarchy::Hierarchy(const Collective& collective, const std::vector<IslandLevel>& levels) : members_(collective.members) {
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (members_[i].index() >= places_.size()) places_.resize(members_[i].index() + 1, members_.size());
    places_[members_[i].index()] = i;
  }
  std::vector<std::size_t> part_of(members_.size());  // of each member, in the level above
  std::iota(part_of.begin(), part_of.end(), std::size_t{0});
  std::size_t parts = part_of.size();
  std::vector<std::vector<std::size_t>> islands_of;  // by level
  for (const auto& level : levels) islands_of.push_back(islands_of_members(level));
  for (std::size_t level = 0; level < islands_of.size(); ++level) {
    auto& island_of = islands_of[level];
    const auto islands = 1 + *std::ranges::max_element(island_of);
    if (islands == parts || islands == 1) continue;
    if (level + 1 < islands_of.size() && !parts_most(island_of, islands_of[level + 1])) continue;
    add_level(part_of, island_of);
    part_of = std::move(island_of);
    parts = islands;
  }
  add_level(part_of, std::vector<std::size_t>(part_of.size(), 0));
  find_digits();
}

void Hierarchy::mind_ways_out(const Topology& topology) {
  if (levels() != 2) return;
  std::vector<std::vector<Rank>> islands;
  for (const auto part : parts_[1].front()) {
    islands.emplace_back();
    for (const auto member : parts_[0][part]) islands.back().push_back(members_[member]);
  }
  auto ways = find_ways_out(topology, islands);
  if (!ways.uneven()) return;
  ways_ = std::move(ways);
  outermost_ = std::move(islands);
  topology_ = topology;
}

// Of an island whose ways are shared out nothing takes another way than it was given, if the other one has a member there.
std::pair<Rank, Rank> Hierarchy::crossing(Rank from, Rank to) const {
  const std::pair direct{from, to};
  if (!ways_ || topology_->routes().connected(from, to)) return direct;
  const auto& there = outermost_[island_of(0, from)];
  const auto& here = outermost_[island_of(0, to)];
  const auto out = passes_through(*topology_, there, from, to);
  const auto in = passes_through(*topology_, here, to, from);
  const bool shared = !ways_->in_charge[island_of(0, from)].empty();
  if (in && (shared || !out)) return {from, *in};
  if (out) return {*out, to};
  for (const auto a : there) {
    for (const auto b : here) {
      if (topology_->routes().connected(a, b)) return {a, b};
    }
  }
  return direct;
}

std::vector<std::size_t> Hierarchy::reducers() const {
  if (ways_) return ways_->reducers;
  std::vector<std::size_t> all(width(levels() - 1));
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

std::size_t Hierarchy::width(int level) const {
  std::size_t most = 0;
  for (const auto& island : islands(level)) most = std::max(most, island.size());
  return most;
}

bool Hierarchy::even() const {
  return !ways_ && std::ranges::all_of(parts_, [](const auto& level) {
    return std::ranges::all_of(level, [&](const auto& island) { return island.size() == level.front().size(); });
  });
}

Rank Hierarchy::stands_for(int level, std::size_t part, const std::vector<std::size_t>& digits) const {
  for (; level > 0; --level) {
    part = islands(level - 1)[part][in_charge(level - 1, part, digits)];
  }
  return members_[part];
}

std::size_t Hierarchy::in_charge(int level, std::size_t island, const std::vector<std::size_t>& digits) const {
  if (ways_ && level == 0 && !ways_->in_charge[island].empty()) return ways_->in_charge[island][digits[0] * parts_[1].front().size() + digits[1]];
  return digits[static_cast<std::size_t>(level)] % islands(level)[island].size();
}

std::vector<std::vector<std::size_t>> Hierarchy::ways_of(Rank rank) const {
  std::vector<std::vector<std::size_t>> ways{digits_of(rank)};
  const auto island = island_of(0, rank);
  if (!ways_ || ways_->in_charge[island].empty()) return ways;
  const auto turns = parts_[1].front().size();
  const auto begin = ways_->in_charge[island].begin() + static_cast<std::ptrdiff_t>(ways.front()[0] * turns);
  std::set<std::size_t> places(begin, begin + static_cast<std::ptrdiff_t>(turns));
  if (places.size() == 1 && *places.begin() == ways.front()[0]) return ways;
  const auto own = ways.front();
  ways.clear();
  for (const auto place : places) ways.push_back({place, own[1]});
  return ways;
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

bool Hierarchy::parts_most(const std::vector<std::size_t>& island_of, const std::vector<std::size_t>& above) {
  std::vector<std::set<std::size_t>> parts(1 + *std::ranges::max_element(above));
  for (std::size_t i = 0; i < above.size(); ++i) parts[above[i]].insert(island_of[i]);
  return 2 * std::ranges::count_if(parts, [](const auto& island) { return island.size() > 1; }) >= std::ssize(parts);
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
