// SPDX-License-Identifier: Apache-2.0
// Links from one node to another that run beside each other: a transfer that names no route is spread over all of them, as hardware does.
#pragma once

#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab {

class ParallelLinks {
 public:
  explicit ParallelLinks(const Topology& topology);

  /// The first of those that run beside this one, itself included.
  LinkId first(LinkId link) const { return first_[link.index()]; }
  /// What they carry together.
  Bandwidth together(LinkId link) const { return together_[first_[link.index()].index()]; }

 private:
  std::vector<LinkId> first_;        // by link
  std::vector<Bandwidth> together_;  // by link; of the first
};

}  // namespace p2plab
