// SPDX-License-Identifier: Apache-2.0
#include "forest/lp/orbit_capacities.h"

#include <algorithm>

namespace p2plab {

OrbitCapacities::OrbitCapacities(const Topology& topology, const std::vector<Automorphism>& group) : by_link_(topology.links().size()) {
  const auto orbit = limit_orbits(topology, group);
  totals_.resize(orbit.empty() ? 0 : static_cast<std::size_t>(*std::ranges::max_element(orbit)) + 1);
  for (std::size_t i = 0; i < orbit.size(); ++i) {
    const auto& limit = topology.limits()[i];
    totals_[static_cast<std::size_t>(orbit[i])] += static_cast<double>(limit.bandwidth.bytes_per_second());
    for (const auto link : limit.links) by_link_[link.index()].push_back(orbit[i]);
  }
}

}  // namespace p2plab
