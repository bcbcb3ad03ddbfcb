// SPDX-License-Identifier: Apache-2.0
#include "p2plab/detail/parallel_links.h"

#include <unordered_map>

namespace p2plab {

ParallelLinks::ParallelLinks(const Topology& topology) : together_(topology.links().size()) {
  std::unordered_map<std::uint64_t, LinkId> known;
  const auto nodes = static_cast<std::uint64_t>(topology.nodes().size());
  for (std::size_t l = 0; l < topology.links().size(); ++l) {
    const auto& link = topology.links()[l];
    const auto ends = static_cast<std::uint64_t>(link.from.value) * nodes + static_cast<std::uint64_t>(link.to.value);
    first_.push_back(known.try_emplace(ends, static_cast<std::int64_t>(l)).first->second);
    auto& sum = together_[first_.back().index()];
    sum = Bandwidth::bytes_per_second(sum.bytes_per_second() + link.bandwidth.bytes_per_second());
  }
}

}  // namespace p2plab
