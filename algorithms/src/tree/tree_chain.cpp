// SPDX-License-Identifier: Apache-2.0
#include "tree/tree_chain.h"

#include <algorithm>
#include <vector>

#include "common/estimate.h"

namespace p2plab {

namespace {

// Edges from `start` to each member.
std::vector<int> distances_from(int start, const std::vector<std::vector<int>>& neighbours) {
  std::vector<int> distance(neighbours.size(), -1);
  std::vector<int> queue{start};
  distance[static_cast<std::size_t>(start)] = 0;
  for (std::size_t i = 0; i < queue.size(); ++i) {
    for (const int next : neighbours[static_cast<std::size_t>(queue[i])]) {
      if (distance[static_cast<std::size_t>(next)] >= 0) continue;
      distance[static_cast<std::size_t>(next)] = distance[static_cast<std::size_t>(queue[i])] + 1;
      queue.push_back(next);
    }
  }
  return distance;
}

int farthest(const std::vector<int>& distance) { return static_cast<int>(std::ranges::max_element(distance) - distance.begin()); }

std::vector<Rank> ranks_of(const std::vector<int>& way, std::span<const Rank> members) {
  std::vector<Rank> ranks;
  for (const int i : way) ranks.push_back(members[static_cast<std::size_t>(i)]);
  return ranks;
}

// From a member to the root.
std::vector<int> way_up(const Tree& tree, int from) {
  std::vector<int> way{from};
  while (tree.parents[static_cast<std::size_t>(way.back())] >= 0) way.push_back(tree.parents[static_cast<std::size_t>(way.back())]);
  return way;
}

}  // namespace

std::optional<StepChain> chain_of_root(const Tree& tree, const Topology& topology, std::span<const Rank> members, const TreeTraffic& traffic) {
  auto way = way_up(tree, farthest(tree.depths()));
  const auto up = way.size();
  way.insert(way.end(), way.rbegin() + 1, way.rend());
  if (!traffic.down) way.resize(up);
  if (!traffic.up) way.erase(way.begin(), way.begin() + static_cast<std::ptrdiff_t>(up) - 1);
  return chain_along(topology, ranks_of(way, members));
}

std::optional<StepChain> chain_across(const Tree& tree, const Topology& topology, std::span<const Rank> members) {
  const auto neighbours = tree.neighbours();
  // The member that is farthest from any is one of the two.
  const int one = farthest(distances_from(0, neighbours));
  const auto distance = distances_from(one, neighbours);
  std::vector<int> way{farthest(distance)};
  while (way.back() != one) {
    const auto& near = neighbours[static_cast<std::size_t>(way.back())];
    way.push_back(*std::ranges::min_element(near, {}, [&](int i) { return distance[static_cast<std::size_t>(i)]; }));
  }
  const auto there = chain_along(topology, ranks_of(way, members));
  std::ranges::reverse(way);
  const auto back = chain_along(topology, ranks_of(way, members));
  if (!there || !back) return std::nullopt;
  return StepChain{there->steps, (there->latency + back->latency) / 2};
}

}  // namespace p2plab
