// SPDX-License-Identifier: Apache-2.0
#include "forest/cuts/link_only_topology.h"

#include <cmath>
#include <numeric>

namespace p2plab {

LinkOnlyTopology::LinkOnlyTopology(const Topology& topology, TreeDirection direction) : topology_(topology) {
  for (const auto& link : topology.links()) rates_.push_back(static_cast<double>(link.bandwidth.bytes_per_second()));
  for (const auto& shared : topology.limits().subspan(rates_.size())) limit(shared.links, static_cast<double>(shared.bandwidth.bytes_per_second()));
  // What one switch can pass on depends on its neighbours: once per switch on the longest chain is enough.
  for (std::size_t i = 0; i < topology.nodes().size() && balance(direction); ++i) {
  }
}

Result<Topology> LinkOnlyTopology::make(const std::vector<bool>& keep, std::vector<LinkId>& names) const {
  Topology::Builder builder(topology_.name());
  for (const auto& node : topology_.nodes()) builder.add_node({node.name, node.kind, std::nullopt, std::nullopt});
  names.clear();
  for (std::size_t l = 0; l < rates_.size(); ++l) {
    auto link = topology_.links()[l];
    link.bandwidth = Bandwidth::bytes_per_second(static_cast<std::int64_t>(std::floor(rates_[l] * (1 + 1e-12))));
    if (!keep[link.from.index()] || !keep[link.to.index()] || link.bandwidth.bytes_per_second() == 0) continue;
    builder.add_link(link);
    names.emplace_back(static_cast<std::int64_t>(l));
  }
  return std::move(builder).build();
}

double LinkOnlyTopology::sum(std::span<const LinkId> links) const {
  return std::accumulate(links.begin(), links.end(), 0.0, [&](double s, LinkId l) { return s + rates_[l.index()]; });
}

void LinkOnlyTopology::limit(std::span<const LinkId> links, double most) {
  const double all = sum(links);
  if (all <= most) return;
  shared_ = true;
  for (const auto link : links) rates_[link.index()] *= most / all;
}

// A switch sends no more than it takes (takes no more than it sends, where data runs towards roots); true if something changed.
bool LinkOnlyTopology::balance(TreeDirection direction) {
  bool changed = false;
  for (std::size_t n = 0; n < topology_.nodes().size(); ++n) {
    const NodeId id{static_cast<std::int64_t>(n)};
    if (topology_.node(id).kind == NodeKind::gpu) continue;
    const auto more = is_inwards(direction) ? topology_.in_links(id) : topology_.out_links(id);
    const auto less = sum(is_inwards(direction) ? topology_.out_links(id) : topology_.in_links(id));
    if (sum(more) <= less * (1 + 1e-9)) continue;
    limit(more, less);
    changed = true;
  }
  return changed;
}

}  // namespace p2plab
