// SPDX-License-Identifier: Apache-2.0
#include "common/resources.h"

namespace p2plab {

Resources::Resources(const Topology& topology, const Routes& routes) : routes_(&routes), by_link_(topology.links().size()) {
  const auto add = [&](Bandwidth rate) {
    capacities_.push_back(static_cast<double>(rate.bytes_per_second()));
    return capacities_.size() - 1;
  };
  for (std::size_t l = 0; l < topology.links().size(); ++l) by_link_[l].push_back(add(topology.links()[l].bandwidth));
  for (const auto& group : topology.groups()) {
    const auto resource = add(group.bandwidth);
    for (const auto link : group.links) by_link_[link.index()].push_back(resource);
  }
  for (std::size_t n = 0; n < topology.nodes().size(); ++n) {
    const NodeId id{static_cast<std::int64_t>(n)};
    const auto& node = topology.node(id);
    const auto limit = [&](const std::optional<Bandwidth>& rate, std::span<const LinkId> links) {
      if (!rate) return;
      const auto resource = add(*rate);
      for (const auto link : links) by_link_[link.index()].push_back(resource);
    };
    limit(node.egress, topology.out_links(id));
    limit(node.ingress, topology.in_links(id));
  }
}

std::vector<std::size_t> Resources::of(Rank from, Rank to) const {
  std::vector<std::size_t> used;
  for (const auto link : routes_->between(from, to)) used.insert(used.end(), by_link_[link.index()].begin(), by_link_[link.index()].end());
  return used;
}

}  // namespace p2plab
