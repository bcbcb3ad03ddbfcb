// SPDX-License-Identifier: Apache-2.0
#include "common/resources.h"

#include "p2plab/machine/routes.h"

namespace p2plab {

Resources::Resources(const Topology& topology) : routes_(&topology.routes()), parallel_(topology), by_link_(topology.links().size()) {
  for (const auto& limit : topology.limits()) {
    const auto [links, rate] = parallel_.budget(limit.links, limit.bandwidth);
    // Links beside each other are one resource, that of the first.
    const bool first = limit.kind != MachineLimit::Kind::link || links == std::vector(limit.links.begin(), limit.links.end());
    for (const auto link : links) {
      if (first) by_link_[link.index()].push_back(capacities_.size());
    }
    capacities_.push_back(static_cast<double>(rate.bytes_per_second()));
  }
}

std::vector<std::size_t> Resources::of(Rank from, Rank to) const {
  std::vector<std::size_t> used;
  for (const auto link : routes_->between(from, to)) {
    const auto& resources = by_link_[parallel_.first(link).index()];
    used.insert(used.end(), resources.begin(), resources.end());
  }
  return used;
}

}  // namespace p2plab
