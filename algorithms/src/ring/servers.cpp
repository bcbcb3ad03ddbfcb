// SPDX-License-Identifier: Apache-2.0
#include "ring/servers.h"

#include <algorithm>

#include "p2plab/machine/routes.h"

namespace p2plab {

std::vector<std::vector<int>> servers_of(const Topology& topology, std::span<const Rank> members) {
  const auto& routes = topology.routes();
  const auto between_servers = [&](int a, int b) {
    const auto path = routes.between(members[static_cast<std::size_t>(a)], members[static_cast<std::size_t>(b)]);
    return path.empty() || std::ranges::any_of(path, [&](LinkId id) { return topology.link(id).kind == LinkKind::network; });
  };
  std::vector<std::vector<int>> servers;
  for (int i = 0; i < std::ssize(members); ++i) {
    const auto near = std::ranges::find_if(servers, [&](const auto& server) { return !between_servers(server[0], i); });
    if (near == servers.end()) {
      servers.push_back({i});
    } else {
      near->push_back(i);
    }
  }
  return servers;
}

std::vector<std::set<LinkId>> links_out_of(const Topology& topology, std::span<const Rank> members, const std::vector<std::vector<int>>& servers) {
  const auto& routes = topology.routes();
  if (servers.size() < 2) return {};
  std::vector<std::size_t> server_of(members.size());
  for (std::size_t s = 0; s < servers.size(); ++s) {
    for (const int i : servers[s]) server_of[static_cast<std::size_t>(i)] = s;
  }
  std::vector<std::set<LinkId>> links(servers.size());
  for (std::size_t s = 0; s < servers.size(); ++s) {
    for (const int a : servers[s]) {
      for (std::size_t b = 0; b < members.size(); ++b) {
        if (server_of[b] == s) continue;
        const auto path = routes.between(members[static_cast<std::size_t>(a)], members[b]);
        const auto first = std::ranges::find_if(path, [&](LinkId id) { return topology.link(id).kind == LinkKind::network; });
        if (first == path.end() && !path.empty()) return {};
        if (first != path.end()) links[s].insert(*first);
      }
    }
  }
  return links;
}

std::vector<double> rates_out_of(const Topology& topology, std::span<const Rank> members, const std::vector<std::vector<int>>& servers) {
  std::vector<double> rates;
  for (const auto& out : links_out_of(topology, members, servers)) {
    rates.push_back(0);
    for (const auto link : out) rates.back() += static_cast<double>(topology.link(link).bandwidth.bytes_per_second());
  }
  return rates;
}

}  // namespace p2plab
