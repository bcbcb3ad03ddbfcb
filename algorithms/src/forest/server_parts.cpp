// SPDX-License-Identifier: Apache-2.0
#include "forest/server_parts.h"

namespace p2plab {

std::optional<ServerPart> cut_out(const Topology& whole, const std::vector<bool>& keep, const std::function<bool(const Link&)>& keep_link) {
  Topology::Builder builder(whole.name());
  std::vector<int> place(whole.nodes().size(), -1);
  std::vector<int> nodes;
  std::vector<LinkId> links;
  std::vector<std::int64_t> shape;
  for (std::size_t n = 0; n < keep.size(); ++n) {
    if (!keep[n]) continue;
    place[n] = static_cast<int>(nodes.size());
    nodes.push_back(static_cast<int>(n));
    builder.add_node(whole.nodes()[n]);
    shape.push_back(static_cast<std::int64_t>(whole.nodes()[n].kind));
  }
  for (std::size_t l = 0; l < whole.links().size(); ++l) {
    auto link = whole.links()[l];
    if (!keep[link.from.index()] || !keep[link.to.index()] || !keep_link(link)) continue;
    link.from = NodeId{place[link.from.index()]};
    link.to = NodeId{place[link.to.index()]};
    builder.add_link(link);
    links.emplace_back(static_cast<std::int64_t>(l));
    shape.insert(shape.end(), {link.from.value, link.to.value, link.bandwidth.bytes_per_second()});
  }
  auto topology = std::move(builder).build();
  if (!topology) return std::nullopt;
  return ServerPart{*std::move(topology), std::move(nodes), std::move(links), std::move(shape)};
}

std::vector<std::vector<int>> servers_of(const Topology& topology, std::vector<int>& server) {
  server.assign(topology.nodes().size(), -1);
  std::vector<std::vector<int>> gpus;
  for (int r = 0; r < topology.ranks(); ++r) {
    const auto start = topology.node_of(Rank{r});
    if (server[start.index()] < 0) {
      const auto id = static_cast<int>(gpus.size());
      gpus.emplace_back();
      std::vector<NodeId> open{start};
      server[start.index()] = id;
      const auto visit = [&](LinkId link, NodeId other) {
        if (topology.link(link).kind == LinkKind::network || server[other.index()] >= 0) return;
        server[other.index()] = id;
        open.push_back(other);
      };
      while (!open.empty()) {
        const auto at = open.back();
        open.pop_back();
        for (const auto link : topology.out_links(at)) visit(link, topology.link(link).to);
        for (const auto link : topology.in_links(at)) visit(link, topology.link(link).from);
      }
    }
    gpus[static_cast<std::size_t>(server[start.index()])].push_back(start.value);
  }
  return gpus;
}

void drop_dead_ends(const Topology& topology, std::vector<bool>& keep) {
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t n = 0; n < keep.size(); ++n) {
      if (!keep[n] || topology.nodes()[n].kind == NodeKind::gpu) continue;
      int neighbour = -1;
      bool several = false;
      const auto visit = [&](NodeId other) {
        if (!keep[other.index()]) return;
        several = several || (neighbour >= 0 && neighbour != other.value);
        neighbour = other.value;
      };
      const NodeId id{static_cast<std::int64_t>(n)};
      for (const auto link : topology.out_links(id)) visit(topology.link(link).to);
      for (const auto link : topology.in_links(id)) visit(topology.link(link).from);
      if (several) continue;
      keep[n] = false;
      changed = true;
    }
  }
}

}  // namespace p2plab
