// SPDX-License-Identifier: Apache-2.0
#include "p2plab/detail/parallel_links.h"

#include <algorithm>
#include <map>
#include <unordered_map>

namespace p2plab {

ParallelLinks::ParallelLinks(const Topology& topology) : together_(topology.links().size()) {
  std::unordered_map<std::uint64_t, LinkId> known;
  const auto nodes = static_cast<std::uint64_t>(topology.nodes().size());
  for (std::size_t l = 0; l < topology.links().size(); ++l) {
    const auto& link = topology.links()[l];
    const auto ends = static_cast<std::uint64_t>(link.from.value) * nodes + static_cast<std::uint64_t>(link.to.value);
    first_.push_back(known.try_emplace(ends, static_cast<std::int64_t>(l)).first->second);
    alone_.push_back(link.bandwidth);
    auto& sum = together_[first_.back().index()];
    sum = Bandwidth::bytes_per_second(sum.bytes_per_second() + link.bandwidth.bytes_per_second());
  }
}

ParallelLinks::Budget ParallelLinks::budget(std::span<const LinkId> links, Bandwidth rate) const {
  std::map<LinkId, std::int64_t> counted;  // bytes per second of the budget's links, by the first beside them
  for (const auto link : links) counted[first(link)] += alone_[link.index()].bytes_per_second();
  Budget budget{{}, rate};
  double most = 0;
  for (const auto& [bundle, counts] : counted) {
    budget.links.push_back(bundle);
    most = std::max(most, static_cast<double>(counts) / static_cast<double>(together(bundle).bytes_per_second()));
  }
  constexpr double beyond_all = 1e18;  // bytes per second: a slow link beside one that is millions of times as fast
  if (most > 0 && most < 1)
    budget.rate = Bandwidth::bytes_per_second(static_cast<std::int64_t>(std::min(static_cast<double>(rate.bytes_per_second()) / most, beyond_all)));
  return budget;
}

}  // namespace p2plab
