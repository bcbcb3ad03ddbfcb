// SPDX-License-Identifier: Apache-2.0
// Where a path may not go on, whatever its links carry.
#pragma once

#include "p2plab/machine/topology.h"

namespace p2plab {

/// Is it of what joins servers?
constexpr bool is_network(NodeKind kind) { return kind == NodeKind::nic || kind == NodeKind::network_switch; }

/// Hosts and PCIe switches do not forward from one network to another, nor a NIC from one device of its server to another: may data not pass `middle`
/// on its way from `before` to `after`? The same both ways.
inline bool refuses_passage(const Topology& topology, NodeId before, NodeId middle, NodeId after) {
  const bool from_network = is_network(topology.node(before).kind);
  const bool to_network = is_network(topology.node(after).kind);
  const auto kind = topology.node(middle).kind;
  if (kind == NodeKind::nic) return !from_network && !to_network;
  return kind != NodeKind::network_switch && from_network && to_network;
}

}  // namespace p2plab
