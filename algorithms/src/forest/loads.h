// SPDX-License-Identifier: Apache-2.0
// How full a machine's links, groups and node limits are, and what more on a path would cost.
#pragma once

#include "forest/lp/orbit_capacities.h"
#include "forest/tree_list.h"

namespace p2plab {

/// Loads relative to what is there at a rate: 1 is full.
class ForestLoads {
 public:
  /// `rate`: bytes per second of weight 1.
  ForestLoads(const Topology& topology, double rate);

  /// Puts a weight on a path; a negative one is taken off.
  void add(std::span<const LinkId> path, double weight);
  /// Is something on the path more than full?
  bool too_full(std::span<const LinkId> path) const;
  /// What a weight on a path costs: each load's price is e to many times the load, so the fullest counts most.
  double cost(std::span<const LinkId> path, double weight) const;
  double fullest() const;
  /// Is something on the machine more than full?
  bool too_full() const;
  /// What a weight of 1 adds to the loads that a link takes part in, by link.
  std::vector<double> shares() const;

 private:
  std::vector<Automorphism> nobody_;  // the machine as it is, no two links alike
  OrbitCapacities capacities_;
  double rate_;
  std::vector<double> loads_;
  std::size_t links_;
};

}  // namespace p2plab
