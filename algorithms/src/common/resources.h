// SPDX-License-Identifier: Apache-2.0
// What transfers between members use up: links, groups of links, limits of nodes.
#pragma once

#include <vector>

#include "p2plab/detail/parallel_links.h"
#include "p2plab/machine/routes.h"

namespace p2plab {

/// The capacities of a machine as one list, and which of them the route between two ranks takes.
class Resources {
 public:
  Resources(const Topology& topology);
  /// Bytes per second of each resource: links by id, then groups, then node limits.
  const std::vector<double>& capacities() const& { return capacities_; }
  const std::vector<double>& capacities() && = delete;
  /// Resources that the route from one rank to another uses, each as often as it uses it; empty if there is no route.
  std::vector<std::size_t> of(Rank from, Rank to) const;

 private:
  const Routes* routes_;
  ParallelLinks parallel_;
  std::vector<double> capacities_;
  std::vector<std::vector<std::size_t>> by_link_;  // of the first of those beside each other
};

}  // namespace p2plab
