// SPDX-License-Identifier: Apache-2.0
// Where a path may not go on, whatever its links carry.
#pragma once

#include "p2plab/machine/topology.h"

namespace p2plab {

/// Hosts and PCIe switches do not forward from one network to another, nor a NIC from one device of its server to another: may data not pass `middle`
/// on its way from `before` to `after`? The same both ways.
inline bool turns(const Topology& topology, NodeId before, NodeId middle, NodeId after) {
  const auto is_network = [&](NodeId node) {
    const auto kind = topology.node(node).kind;
    return kind == NodeKind::nic || kind == NodeKind::network_switch;
  };
  const auto kind = topology.node(middle).kind;
  if (kind == NodeKind::nic) return !is_network(before) && !is_network(after);
  return kind != NodeKind::network_switch && is_network(before) && is_network(after);
}

}  // namespace p2plab
