// SPDX-License-Identifier: Apache-2.0
#include "p2plab/program/peer_access.h"

#include <algorithm>

#include "p2plab/machine/routes.h"

namespace p2plab {

PeerAccess::PeerAccess(const Topology& topology) : ranks_(static_cast<std::size_t>(topology.ranks())) {
  const auto& routes = topology.routes();
  const auto ends_at_host = [&](LinkId link) {
    const auto& node = topology.node(topology.link(link).to);
    return node.kind == NodeKind::host && !node.forwards_peers;
  };
  const auto is = [&](LinkKind kind) { return [&topology, kind](LinkId link) { return topology.link(link).kind == kind; }; };
  const auto& kinds = routes.kinds();
  const auto reached = kinds.each(false, [&](Rank from, Rank to) {
    const auto links = routes.between(from, to);
    return std::ranges::none_of(links, ends_at_host) || std::ranges::any_of(links, is(LinkKind::network));
  });
  const auto by_nvlink = kinds.each(true, [&](Rank from, Rank to) { return std::ranges::all_of(routes.between(from, to), is(LinkKind::nvlink)); });
  all_ = true;
  for (std::size_t a = 0; a < ranks_; ++a) {
    const Rank from{static_cast<std::int64_t>(a)};
    for (const auto& stretch : kinds.from(from)) {
      for (auto b = stretch.begin; b < stretch.end; ++b) {
        const Rank to{b};
        reaches_.push_back(reached[stretch.kind] || to == from);
        if (reaches_.back()) continue;
        all_ = false;
        if (!routes.to_host(from, to).empty() && !routes.from_host(to, to).empty()) continue;
        no_host_.resize(ranks_ * ranks_);
        no_host_[a * ranks_ + to.index()] = true;
      }
      whole_lines_ = whole_lines_ && (!reached[stretch.kind] || by_nvlink[stretch.kind]);
    }
  }
}

PeerAccess::PeerAccess(std::size_t ranks, std::vector<bool> reaches, bool whole_lines)
    : ranks_(ranks), reaches_(std::move(reaches)), whole_lines_(whole_lines) {
  expects(reaches_.size() == ranks * ranks);
}

bool PeerAccess::covers(const Program& program) const {
  if (all_connected()) return true;
  for (const auto& lane : program.lanes) {
    for (std::uint32_t i = 0; i < lane.count; ++i) {
      const auto& instruction = program.instructions[lane.first + i];
      for (const auto operands : {program.sources(instruction), program.destinations(instruction)}) {
        for (const auto& operand : operands) {
          if (operand.buffer != Buffer::host && !connected(lane.rank, operand.rank)) return false;
        }
      }
    }
  }
  return true;
}

}  // namespace p2plab
