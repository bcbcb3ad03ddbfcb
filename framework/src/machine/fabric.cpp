// SPDX-License-Identifier: Apache-2.0
#include "p2plab/machine/fabric.h"

#include <algorithm>
#include <functional>
#include <span>

namespace p2plab {

namespace {

bool is_own(const Topology& topology, const Link& link) {
  const auto own = [&](NodeId node) { return topology.node(node).kind == NodeKind::gpu || topology.node(node).kind == NodeKind::nvswitch; };
  return own(link.from) && own(link.to) && link.kind != LinkKind::network && link.kind != LinkKind::pcie;
}

// The nodes that the GPU reaches over own links, by way of GPUs that are not silent.
std::vector<bool> reached(const Topology& topology, Rank from, const std::vector<bool>& silent) {
  std::vector<bool> seen(topology.nodes().size());
  std::vector<NodeId> open{topology.node_of(from)};
  seen[open.front().index()] = true;
  while (!open.empty()) {
    const auto at = open.back();
    open.pop_back();
    for (const auto id : topology.out_links(at)) {
      const auto& link = topology.link(id);
      if (!is_own(topology, link) || seen[link.to.index()] || silent[link.to.index()]) continue;
      seen[link.to.index()] = true;
      open.push_back(link.to);
    }
  }
  return seen;
}

// The machine with only some of its links and nodes.
Result<Topology> with_links(const Topology& topology, const std::function<bool(const Link&)>& keeps, const std::function<bool(const Node&)>& stays) {
  Topology::Builder builder(topology.name());
  std::vector<NodeId> nodes(topology.nodes().size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (stays(topology.nodes()[i])) nodes[i] = builder.add_node(topology.nodes()[i]);
  }
  std::vector<LinkId> links(topology.links().size(), LinkId{-1});
  for (std::size_t i = 0; i < links.size(); ++i) {
    auto link = topology.links()[i];
    if (!keeps(link)) continue;
    link.from = nodes[link.from.index()];
    link.to = nodes[link.to.index()];
    links[i] = builder.add_link(link);
  }
  const auto kept = [&](const std::vector<LinkId>& old) {
    std::vector<LinkId> left;
    for (const auto link : old) {
      if (links[link.index()].value >= 0) left.push_back(links[link.index()]);
    }
    return left;
  };
  for (auto group : topology.groups()) {
    group.links = kept(group.links);
    if (!group.links.empty()) builder.add_group(std::move(group));
  }
  MachineSources sources{.words = topology.sources().words};
  for (auto value : topology.sources().values) {
    const bool had_links = !value.links.empty();
    value.links = kept(value.links);
    if (!had_links || !value.links.empty()) sources.values.push_back(std::move(value));
  }
  builder.set_sources(std::move(sources));
  return std::move(builder).build();
}

bool joined(const Topology& topology, std::span<const Rank> members, const std::vector<bool>& silent) {
  if (members.size() < 2) return false;
  const auto seen = reached(topology, members.front(), silent);
  return std::ranges::all_of(members, [&](Rank rank) { return static_cast<bool>(seen[topology.node_of(rank).index()]); });
}

// Switches and NICs that lead nowhere: with one neighbour or none of those that are left. NVSwitches stay: that a GPU has NVLinks tells which it is.
void silence_dead_ends(const Topology& topology, std::vector<bool>& silent) {
  const auto passes_on = [](NodeKind kind) { return kind == NodeKind::nic || kind == NodeKind::network_switch || kind == NodeKind::pcie_switch; };
  for (bool found = true; found;) {
    found = false;
    for (std::size_t n = 0; n < silent.size(); ++n) {
      if (silent[n] || !passes_on(topology.nodes()[n].kind)) continue;
      const NodeId node{static_cast<std::int64_t>(n)};
      std::optional<NodeId> first;
      bool several = false;
      const auto meet = [&](NodeId other) {
        if (silent[other.index()]) return;
        several = several || (first && *first != other);
        first = other;
      };
      for (const auto link : topology.out_links(node)) meet(topology.link(link).to);
      for (const auto link : topology.in_links(node)) meet(topology.link(link).from);
      if (several) continue;
      silent[n] = found = true;
    }
  }
}

std::vector<Rank> all_ranks(const Topology& topology) {
  std::vector<Rank> ranks;
  for (std::int64_t r = 0; r < topology.ranks(); ++r) ranks.emplace_back(r);
  return ranks;
}

}  // namespace

bool joined_by_own_links(const Topology& topology) { return joined(topology, all_ranks(topology), std::vector<bool>(topology.nodes().size())); }

Result<Topology> peer_links(const Topology& topology) {
  const auto own = [&](const Link& link) { return is_own(topology, link); };
  if (std::ranges::all_of(topology.links(), own) || !joined_by_own_links(topology)) return topology;
  return with_links(topology, own, [](const Node& node) { return node.kind == NodeKind::gpu || node.kind == NodeKind::nvswitch; });
}

Result<Topology> among_members(const Topology& topology, std::span<const Rank> members) {
  std::vector<bool> silent(topology.nodes().size());
  for (const auto rank : all_ranks(topology)) silent[topology.node_of(rank).index()] = std::ranges::find(members, rank) == members.end();
  const bool own_only = joined(topology, members, silent);
  silence_dead_ends(topology, silent);
  const auto keeps = [&](const Link& link) {
    return !silent[link.from.index()] && !silent[link.to.index()] && (!own_only || is_own(topology, link));
  };
  return with_links(topology, keeps, [](const Node&) { return true; });
}

}  // namespace p2plab
