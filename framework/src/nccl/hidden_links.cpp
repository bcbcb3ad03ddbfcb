// SPDX-License-Identifier: Apache-2.0
#include "nccl/hidden_links.h"

#include "paths/pcie_tree.h"

namespace p2plab::nccl {

Mask hidden_from_nccl(const Topology& topology) {
  const PcieTree tree(topology);
  const auto is_switch = [&](NodeId id) { return topology.node(id).kind == NodeKind::pcie_switch; };
  Mask mask;
  for (const auto& link : topology.links()) {
    if (is_switch(link.from) && is_switch(link.to) && link.from < link.to && tree.step(link) == PcieStep::sideways)
      mask.links.push_back({topology.node(link.from).name, topology.node(link.to).name});
  }
  return mask;
}

}  // namespace p2plab::nccl
