// SPDX-License-Identifier: Apache-2.0
#include "ring/least_time.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace p2plab {

namespace {

// Of the routes between two members, the quicker direction.
Seconds latency_between(const Topology& topology, const Routes& routes, Rank a, Rank b) {
  const auto along = [&](std::span<const LinkId> path) {
    Seconds sum{0};
    for (const auto link : path) sum += topology.link(link).latency;
    return sum;
  };
  return std::min(along(routes.between(a, b)), along(routes.between(b, a)));
}

// Prim's algorithm on all pairs.
Seconds least_spanning_tree(const Topology& topology, const Routes& routes, const std::vector<Rank>& members) {
  constexpr Seconds unknown{std::numeric_limits<double>::infinity()};
  std::vector<Seconds> away(members.size(), unknown);  // from the tree so far
  std::vector<bool> inside(members.size());
  Seconds sum{0};
  std::size_t newest = 0;
  for (std::size_t size = 1; size < members.size(); ++size) {
    inside[newest] = true;
    std::size_t next = members.size();
    for (std::size_t m = 0; m < members.size(); ++m) {
      if (inside[m]) continue;
      away[m] = std::min(away[m], latency_between(topology, routes, members[newest], members[m]));
      if (next == members.size() || away[m] < away[next]) next = m;
    }
    sum += away[next];
    newest = next;
  }
  return sum;
}

// The least latency of a link out of a member: every hop has one. For groups whose pairs are too many to look at.
Seconds least_first_link(const Topology& topology, const std::vector<Rank>& members) {
  auto least = Seconds{std::numeric_limits<double>::infinity()};
  for (const auto rank : members) {
    for (const auto link : topology.out_links(topology.node_of(rank))) least = std::min(least, topology.link(link).latency);
  }
  return least;
}

}  // namespace

std::optional<Seconds> least_time_around(const Topology& topology, const Routes& routes, const Collective& collective) {
  constexpr std::size_t most_pairs = std::size_t{1} << 20;
  using enum CollectiveKind;
  const auto kind = collective.kind;
  if (kind != all_reduce && kind != all_gather && kind != reduce_scatter && kind != broadcast && kind != reduce) return std::nullopt;
  const auto& members = collective.members;
  if (members.size() < 2 || !collective.silent.empty() || !collective.shares.empty()) return std::nullopt;
  const auto once = members.size() * members.size() <= most_pairs ? least_spanning_tree(topology, routes, members)
                                                                  : least_first_link(topology, members) * static_cast<double>(members.size() - 1);
  return kind == all_reduce ? once * 2 : once;
}

}  // namespace p2plab
