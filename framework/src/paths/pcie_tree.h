// SPDX-License-Identifier: Apache-2.0
// PCIe is routed as its tree: up towards the host, then down. Links between switches, as between the parts of one chip, are taken at the turn only.
#pragma once

#include <optional>
#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab {

enum class PcieStep { up, sideways, down };

class PcieTree {
 public:
  explicit PcieTree(const Topology& topology);

  /// Has some switch more than one way that is not down? Else there is nothing to choose.
  bool branches() const;
  /// Where a link leads; none if it is no PCIe of a server.
  std::optional<PcieStep> step(const Link& link) const;

 private:
  const Topology& topology_;
  std::vector<int> depth_;  // by node: PCIe links to the nearest host; -1: none
};

}  // namespace p2plab
