// SPDX-License-Identifier: Apache-2.0
// What bounds the use of a machine's links, taken together over orbits of its symmetries.
#pragma once

#include <vector>

#include "p2plab/detail/symmetry.h"

namespace p2plab {

/// Bandwidths of links, budgets of groups and limits of nodes, one number for each orbit.
class OrbitCapacities {
 public:
  OrbitCapacities(const Topology& topology, const std::vector<Automorphism>& group);

  std::size_t size() const { return totals_.size(); }
  /// Bytes per second of all members of an orbit together.
  double total(int orbit) const { return totals_[static_cast<std::size_t>(orbit)]; }
  /// The orbits that a passage over a link uses.
  const std::vector<int>& of(int link) const& { return by_link_[static_cast<std::size_t>(link)]; }
  const std::vector<int>& of(int link) && = delete;

 private:
  std::vector<double> totals_;
  std::vector<std::vector<int>> by_link_;
};

}  // namespace p2plab
