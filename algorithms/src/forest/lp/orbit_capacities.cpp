// SPDX-License-Identifier: Apache-2.0
#include "forest/lp/orbit_capacities.h"

#include <algorithm>

namespace p2plab {

OrbitCapacities::OrbitCapacities(const Topology& topology, const std::vector<Automorphism>& group) : by_link_(topology.links().size()) {
  const auto images = [&](std::vector<std::int32_t> Automorphism::*what) {
    std::vector<const std::vector<std::int32_t>*> all;
    for (const auto& element : group) all.push_back(&(element.*what));
    return all;
  };
  // One lot of orbits after the other; `limits` names each member's bandwidth and links.
  const auto add = [&](const std::vector<int>& orbit, const auto& limits) {
    const auto first = totals_.size();
    totals_.resize(first + (orbit.empty() ? 0 : static_cast<std::size_t>(*std::ranges::max_element(orbit)) + 1));
    for (std::size_t i = 0; i < orbit.size(); ++i) {
      const auto place = first + static_cast<std::size_t>(orbit[i]);
      limits(i, [&](Bandwidth bandwidth, std::span<const LinkId> links) {
        totals_[place] += static_cast<double>(bandwidth.bytes_per_second());
        for (const auto link : links) by_link_[link.index()].push_back(static_cast<int>(place));
      });
    }
  };
  const auto node_orbits = orbits(topology.nodes().size(), images(&Automorphism::nodes));
  add(orbits(topology.links().size(), images(&Automorphism::links)), [&](std::size_t l, const auto& limit) {
    const LinkId id{static_cast<std::int64_t>(l)};
    limit(topology.link(id).bandwidth, std::span{&id, 1});
  });
  add(orbits(topology.groups().size(), images(&Automorphism::groups)),
      [&](std::size_t g, const auto& limit) { limit(topology.groups()[g].bandwidth, topology.groups()[g].links); });
  add(node_orbits, [&](std::size_t n, const auto& limit) {
    const NodeId id{static_cast<std::int64_t>(n)};
    if (topology.node(id).egress) limit(*topology.node(id).egress, topology.out_links(id));
  });
  add(node_orbits, [&](std::size_t n, const auto& limit) {
    const NodeId id{static_cast<std::int64_t>(n)};
    if (topology.node(id).ingress) limit(*topology.node(id).ingress, topology.in_links(id));
  });
}

}  // namespace p2plab
