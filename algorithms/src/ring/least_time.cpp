// SPDX-License-Identifier: Apache-2.0
#include "ring/least_time.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "p2plab/machine/routes.h"
#include "ring/servers.h"

namespace p2plab {

namespace {

constexpr Seconds unknown{std::numeric_limits<double>::infinity()};

// Prim's algorithm on all pairs; unknown where they do not hang together.
Seconds least_spanning_tree(const Topology& topology, const std::vector<Rank>& members) {
  const auto& kinds = topology.routes().kinds();
  const auto of_kind = kinds.each(unknown, [&](Rank from, Rank to) {
    Seconds sum{0};
    for (const auto link : topology.routes().between(from, to)) sum += topology.link(link).latency;
    return sum;
  });
  // The quicker direction; unknown where no route leads from one to the other, as between rails: no hop goes there.
  const auto latency_between = [&](Rank a, Rank b) { return std::min(of_kind[kinds.of(a, b)], of_kind[kinds.of(b, a)]); };
  const bool relays = std::cmp_less(members.size(), topology.ranks());  // others might join what no route joins
  std::vector<Seconds> away(members.size(), unknown);                   // from the tree so far
  std::vector<bool> inside(members.size());
  Seconds sum{0};
  std::size_t newest = 0;
  for (std::size_t size = 1; size < members.size(); ++size) {
    inside[newest] = true;
    std::size_t next = members.size();
    for (std::size_t m = 0; m < members.size(); ++m) {
      if (inside[m]) continue;
      const auto latency = latency_between(members[newest], members[m]);
      away[m] = std::min(away[m], relays && latency == unknown ? Seconds{0} : latency);
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

// All-to-all: along each ring a member reaches one more server with each crossing of the network, so with c crossings at most c times as many as
// there are rings, the largest first at best; and all blocks' crossings together go over the links out of the servers. None where there is one.
std::optional<Seconds> least_time_of_crossings(const Topology& topology, const std::vector<Rank>& members, const RingLoad& load) {
  const auto servers = servers_of(topology, members);
  const auto rates = rates_out_of(topology, members, servers);
  if (rates.empty()) return std::nullopt;
  std::vector<std::size_t> sizes;
  for (const auto& server : servers) sizes.push_back(server.size());
  std::ranges::sort(sizes, std::greater{});
  double blocks = 0;  // times their crossings
  for (std::size_t own = 0; own < sizes.size(); ++own) {
    std::size_t crossings = 0;  // of what one member sends
    for (std::size_t k = 0, reached = 0; k < sizes.size(); ++k) {
      if (k != own) crossings += sizes[k] * ((++reached + load.rings - 1) / load.rings);
    }
    blocks += static_cast<double>(crossings) * static_cast<double>(sizes[own]);
  }
  return Seconds{blocks * load.block / std::accumulate(rates.begin(), rates.end(), 0.0)};
}

}  // namespace

std::optional<Seconds> least_time_around(const Topology& topology, const Collective& collective, const RingLoad& load) {
  constexpr std::size_t most_pairs = std::size_t{1} << 20;
  constexpr std::size_t most_crossings = std::size_t{1} << 24;
  using enum CollectiveKind;
  const auto kind = collective.kind;
  if (kind == all_to_all && load.block > 0 && collective.silent.empty() && collective.members.size() > 1 &&
      collective.members.size() * collective.members.size() <= most_crossings)
    return least_time_of_crossings(topology, collective.members, load);
  if (kind != all_reduce && kind != all_gather && kind != reduce_scatter && kind != broadcast && kind != reduce) return std::nullopt;
  const auto& members = collective.members;
  if (members.size() < 2 || !collective.silent.empty() || !collective.shares.empty()) return std::nullopt;
  const auto once = members.size() * members.size() <= most_pairs ? least_spanning_tree(topology, members)
                                                                  : least_first_link(topology, members) * static_cast<double>(members.size() - 1);
  if (once == unknown) return std::nullopt;
  return kind == all_reduce ? once * 2 : once;
}

std::optional<StepChain> least_chain_around(const Topology& topology, const Collective& collective, const RingLoad& load, const Payload& payload) {
  if (collective.kind != CollectiveKind::all_to_all || !collective.silent.empty()) return std::nullopt;
  // Where there are fewer elements than members, as many members get one from each.
  const auto reached = std::min<std::int64_t>(std::ssize(collective.members), payload.elements) - 1;
  const auto rings = static_cast<std::int64_t>(load.rings);
  if (reached < 1) return std::nullopt;
  const auto hops = static_cast<int>((reached + rings - 1) / rings);
  return StepChain{hops, least_first_link(topology, collective.members) * hops};
}

}  // namespace p2plab
