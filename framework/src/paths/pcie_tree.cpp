// SPDX-License-Identifier: Apache-2.0
#include "paths/pcie_tree.h"

#include <algorithm>

namespace p2plab {

PcieTree::PcieTree(const Topology& topology) : topology_(topology), depth_(topology.nodes().size(), -1) {
  std::vector<NodeId> open;
  for (std::size_t n = 0; n < depth_.size(); ++n) {
    if (topology.nodes()[n].kind != NodeKind::host) continue;
    depth_[n] = 0;
    open.emplace_back(static_cast<std::int64_t>(n));
  }
  for (std::size_t next = 0; next < open.size(); ++next) {
    const auto at = open[next];
    if (topology.node(at).kind != NodeKind::host && topology.node(at).kind != NodeKind::pcie_switch) continue;
    for (const auto id : topology.out_links(at)) {
      const auto& link = topology.link(id);
      if (link.kind != LinkKind::pcie || depth_[link.to.index()] >= 0) continue;
      depth_[link.to.index()] = depth_[at.index()] + 1;
      open.push_back(link.to);
    }
  }
}

std::optional<PcieStep> PcieTree::step(const Link& link) const {
  const auto from = depth_[link.from.index()];
  const auto to = depth_[link.to.index()];
  if (link.kind != LinkKind::pcie || from < 0 || to < 0) return std::nullopt;
  return to < from ? PcieStep::up : to == from ? PcieStep::sideways : PcieStep::down;
}

bool PcieTree::branches() const {
  for (std::size_t n = 0; n < depth_.size(); ++n) {
    const NodeId node{static_cast<std::int64_t>(n)};
    if (topology_.node(node).kind != NodeKind::pcie_switch) continue;
    std::vector<NodeId> others;
    for (const auto id : topology_.out_links(node)) {
      const auto where = step(topology_.link(id));
      if (where && *where != PcieStep::down && std::ranges::find(others, topology_.link(id).to) == others.end())
        others.push_back(topology_.link(id).to);
    }
    if (others.size() > 1) return true;
  }
  return false;
}

}  // namespace p2plab
