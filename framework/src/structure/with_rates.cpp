// SPDX-License-Identifier: Apache-2.0
#include "structure/with_rates.h"

#include <algorithm>

namespace p2plab {

Result<Topology> with_rates(const Topology& topology, std::span<const LinkRate> rates, MachineSources sources) {
  std::vector<Link> links{topology.links().begin(), topology.links().end()};
  std::vector<LinkGroup> groups{topology.groups().begin(), topology.groups().end()};
  for (const auto& [changed, rate] : rates) {
    for (const auto link : changed) links[link.index()].bandwidth = rate;
    const auto is_changed = [&, among = changed](LinkId link) { return std::ranges::find(among, link) != among.end(); };
    for (auto& group : groups) {
      const bool as_wide = std::ranges::all_of(group.links, [&](LinkId link) { return topology.link(link).bandwidth == group.bandwidth; });
      if (as_wide && std::ranges::all_of(group.links, is_changed)) group.bandwidth = rate;
    }
  }
  Topology::Builder builder(topology.name());
  for (const auto& node : topology.nodes()) builder.add_node(node);
  for (const auto& link : links) builder.add_link(link);
  for (auto& group : groups) builder.add_group(std::move(group));
  builder.set_sources(std::move(sources));
  return std::move(builder).build();
}

}  // namespace p2plab
