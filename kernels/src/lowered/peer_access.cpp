// SPDX-License-Identifier: Apache-2.0
#include "lowered/peer_access.h"

#include <algorithm>

namespace p2plab {

PeerAccess::PeerAccess(const Topology& topology, const Routes& routes) : ranks_(static_cast<std::size_t>(topology.ranks())) {
  const auto is_host = [&](LinkId link) { return topology.node(topology.link(link).to).kind == NodeKind::host; };
  const auto is_nvlink = [&](LinkId link) { return topology.link(link).kind == LinkKind::nvlink; };
  for (std::size_t a = 0; a < ranks_; ++a) {
    for (std::size_t b = 0; b < ranks_; ++b) {
      const Rank from{static_cast<std::int64_t>(a)};
      const Rank to{static_cast<std::int64_t>(b)};
      reaches_.push_back(routes.connected(from, to) && std::ranges::none_of(routes.between(from, to), is_host));
      if (reaches_.back() && !std::ranges::all_of(routes.between(from, to), is_nvlink)) by_nvlink_ = false;
    }
  }
}

bool PeerAccess::covers(const Program& program) const {
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
