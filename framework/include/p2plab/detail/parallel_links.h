// SPDX-License-Identifier: Apache-2.0
// Links from one node to another that run beside each other: a transfer that names no route is spread over all of them, as hardware does.
#pragma once

#include <span>
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

  /// A budget as transfers meet it that are spread over all links beside each other, in proportion to their bandwidths.
  struct Budget {
    std::vector<LinkId> links;  // the first of each that some budgeted link runs beside
    Bandwidth rate;             // of such transfers
  };
  /// Of a budget of `rate` that counts `links`: where one of two equal links has it, their transfers may be twice as fast. Where it counts a larger
  /// part of some parallel links than of others, the largest part is taken.
  Budget budget(std::span<const LinkId> links, Bandwidth rate) const;

 private:
  std::vector<LinkId> first_;        // by link
  std::vector<Bandwidth> alone_;     // by link
  std::vector<Bandwidth> together_;  // by link; of the first
};

}  // namespace p2plab
