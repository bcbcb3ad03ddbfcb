// SPDX-License-Identifier: Apache-2.0
#include "p2plab/detail/narrowed.h"

#include <algorithm>
#include <cmath>

namespace p2plab {

Bandwidth widest_rate(const Topology& topology) {
  auto widest = Bandwidth::bytes_per_second(1);
  for (const auto& limit : topology.limits()) widest = std::max(widest, limit.bandwidth);
  return widest;
}

Topology narrowed(const Topology& topology, Bandwidth most) {
  Topology::Builder builder(topology.name());
  for (auto node : topology.nodes()) {
    for (auto* limit : {&node.egress, &node.ingress, &node.memory, &node.root_complex}) {
      if (*limit) *limit = std::min(**limit, most);
    }
    builder.add_node(std::move(node));
  }
  for (auto link : topology.links()) {
    link.bandwidth = std::min(link.bandwidth, most);
    builder.add_link(link);
  }
  for (auto group : topology.groups()) {
    group.bandwidth = std::min(group.bandwidth, most);
    builder.add_group(std::move(group));
  }
  auto built = std::move(builder).build();
  expects(static_cast<bool>(built));  // as good a machine as the one it is a copy of
  return *std::move(built);
}

Topology narrowed_for(const Topology& topology, double rate, double uses) {
  constexpr double margin = 4;
  constexpr double near = 1000;
  const auto most = std::ceil(margin * std::max(rate, 1.0) * std::max(uses, 1.0));
  const auto widest = static_cast<double>(widest_rate(topology).bytes_per_second());
  if (widest <= near * most) return topology;
  return narrowed(topology, Bandwidth::bytes_per_second(static_cast<std::int64_t>(most)));
}

}  // namespace p2plab
