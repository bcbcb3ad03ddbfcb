// SPDX-License-Identifier: Apache-2.0
#include "bounds/shared_links.h"

#include <algorithm>

namespace p2plab::bounds {

double widest_link(const Topology& topology) {
  std::int64_t widest = 1;
  for (const auto& link : topology.links()) widest = std::max(widest, link.bandwidth.bytes_per_second());
  return static_cast<double>(widest);
}

std::vector<Limit> limits_of(const Topology& topology) {
  std::vector<Limit> limits;
  const auto limit = [&](Limit::Kind kind, std::size_t index, std::string name, std::span<const LinkId> links, Bandwidth bandwidth) {
    if (!links.empty()) limits.push_back({kind, index, std::move(name), {links.begin(), links.end()}, bandwidth.bytes_per_second()});
  };
  for (std::size_t l = 0; l < topology.links().size(); ++l) {
    const LinkId id{static_cast<std::int64_t>(l)};
    const auto& link = topology.link(id);
    limit(Limit::Kind::link, l, topology.node(link.from).name + " -> " + topology.node(link.to).name, {&id, 1}, link.bandwidth);
  }
  for (std::size_t g = 0; g < topology.groups().size(); ++g) {
    const auto& group = topology.groups()[g];
    limit(Limit::Kind::group, g, "group " + group.name, group.links, group.bandwidth);
  }
  for (std::size_t n = 0; n < topology.nodes().size(); ++n) {
    const NodeId id{static_cast<std::int64_t>(n)};
    const auto& node = topology.node(id);
    if (node.egress) limit(Limit::Kind::out_of_node, n, "all out of " + node.name, topology.out_links(id), *node.egress);
    if (node.ingress) limit(Limit::Kind::into_node, n, "all into " + node.name, topology.in_links(id), *node.ingress);
  }
  return limits;
}

void add_capacities(LinearProgram& program, const Topology& topology, const std::function<std::vector<int>(LinkId)>& users) {
  const auto widest = widest_link(topology);
  for (const auto& limit : limits_of(topology)) {
    std::vector<LinearProgram::Term> row;
    for (const auto link : limit.links) {
      for (const auto column : users(link)) row.push_back({column, 1});
    }
    if (!row.empty()) program.add_row(0, row, static_cast<double>(limit.capacity) / widest);
  }
}

}  // namespace p2plab::bounds
