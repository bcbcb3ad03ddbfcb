// SPDX-License-Identifier: Apache-2.0
#include "common/networks.h"

#include <map>
#include <numeric>
#include <set>
#include <vector>

#include "p2plab/detail/passage.h"

namespace p2plab {

bool host_memory_joins_networks(const Topology& topology) {
  const auto of_network = [&](NodeId node) { return is_network(topology.node(node).kind); };
  // Parts: what links between two nodes of networks join, and what links inside of servers join.
  std::vector<std::size_t> above(topology.nodes().size());
  std::iota(above.begin(), above.end(), std::size_t{0});
  const auto part = [&](NodeId node) {
    auto at = node.index();
    while (above[at] != at) at = above[at] = above[above[at]];
    return at;
  };
  for (const auto& link : topology.links()) {
    if (of_network(link.from) == of_network(link.to)) above[part(link.from)] = part(link.to);
  }
  std::set<std::size_t> with_host;
  for (std::size_t v = 0; v < above.size(); ++v) {
    const NodeId node{static_cast<std::int64_t>(v)};
    if (topology.node(node).kind == NodeKind::host) with_host.insert(part(node));
  }
  std::map<std::size_t, std::set<std::size_t>> networks;  // by server
  for (const auto& link : topology.links()) {
    if (of_network(link.from) == of_network(link.to)) continue;
    const auto [server, network] = of_network(link.from) ? std::pair{link.to, link.from} : std::pair{link.from, link.to};
    if (with_host.contains(part(server))) networks[part(server)].insert(part(network));
  }
  for (const auto& [server, all] : networks) {
    if (all.size() > 1) return true;
  }
  return false;
}

}  // namespace p2plab
