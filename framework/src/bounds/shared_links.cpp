#include "shared_links.h"

#include <algorithm>

namespace p2plab::bounds {

double widest_link(const Topology& topology) {
  std::int64_t widest = 1;
  for (const auto& link : topology.links()) widest = std::max(widest, link.bandwidth.bytes_per_second());
  return static_cast<double>(widest);
}

void add_capacities(LinearProgram& program, const Topology& topology, const std::function<std::vector<int>(LinkId)>& users) {
  const auto widest = widest_link(topology);
  const auto limit = [&](std::span<const LinkId> links, Bandwidth bandwidth) {
    std::vector<LinearProgram::Term> row;
    for (const auto link : links) {
      for (const auto column : users(link)) row.push_back({column, 1});
    }
    if (!row.empty()) program.add_row(0, row, static_cast<double>(bandwidth.bytes_per_second()) / widest);
  };
  for (std::size_t l = 0; l < topology.links().size(); ++l) {
    const LinkId id{static_cast<std::int64_t>(l)};
    limit({&id, 1}, topology.link(id).bandwidth);
  }
  for (const auto& group : topology.groups()) limit(group.links, group.bandwidth);
  for (std::size_t n = 0; n < topology.nodes().size(); ++n) {
    const NodeId id{static_cast<std::int64_t>(n)};
    const auto& node = topology.node(id);
    if (node.egress) limit(topology.out_links(id), *node.egress);
    if (node.ingress) limit(topology.in_links(id), *node.ingress);
  }
}

}  // namespace p2plab::bounds
