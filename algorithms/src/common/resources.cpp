// SPDX-License-Identifier: Apache-2.0
#include "common/resources.h"

#include "p2plab/detail/parallel_links.h"

namespace p2plab {

Resources::Resources(const Topology& topology, const Routes& routes) : routes_(&routes), by_link_(topology.links().size()) {
  const ParallelLinks parallel(topology);
  for (const auto& limit : topology.limits()) {
    for (const auto link : limit.links) by_link_[link.index()].push_back(capacities_.size());
    const auto rate = limit.kind == MachineLimit::Kind::link ? parallel.together(limit.links.front()) : limit.bandwidth;
    capacities_.push_back(static_cast<double>(rate.bytes_per_second()));
  }
}

std::vector<std::size_t> Resources::of(Rank from, Rank to) const {
  std::vector<std::size_t> used;
  for (const auto link : routes_->between(from, to)) used.insert(used.end(), by_link_[link.index()].begin(), by_link_[link.index()].end());
  return used;
}

}  // namespace p2plab
