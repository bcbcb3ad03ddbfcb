// SPDX-License-Identifier: Apache-2.0
// A machine of links alone, for planners that know nothing of shared budgets.
#pragma once

#include <span>
#include <vector>

#include "forest/direction.h"
#include "p2plab/machine/topology.h"

namespace p2plab {

/// Shares every budget out to its links in proportion, so that links alone bound what follows.
class LinkOnlyTopology {
 public:
  /// Towards the root switches take in no more than they send, else they send no more than they take in.
  LinkOnlyTopology(const Topology& topology, TreeDirection direction);

  /// Were there shared budgets?
  bool shared() const { return shared_; }
  /// The machine with those links: `names[i]` is the original link of link i; nodes that `keep` leaves out have none.
  Result<Topology> make(const std::vector<bool>& keep, std::vector<LinkId>& names) const;

 private:
  double sum(std::span<const LinkId> links) const;
  void limit(std::span<const LinkId> links, double most);
  bool balance(TreeDirection direction);

  const Topology& topology_;
  std::vector<double> rates_;
  bool shared_ = false;
};

}  // namespace p2plab
