// SPDX-License-Identifier: Apache-2.0
// The best packing of trees where cuts alone do not decide, since some nodes that may branch need not be reached: exact, for small machines.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "p2plab/detail/rational.h"
#include "p2plab/detail/tree_shares.h"

namespace p2plab::bounds {

/// What is reached, what is proved, and the prices that prove it: what each limit of the machine lets through costs its price, everything together
/// costs `spent`, and what one byte of weight 1 needs costs at least `least`; so no more than spent / least bytes per second can be had.
struct TreePacking {
  double reached = 0;      // bytes per second of weight 1 (of all roots together where they are free)
  Rational inverse;        // proved: seconds per byte, times 1e9; zero if only what was known is
  bool exact = false;      // the two are the same
  std::string prices;      // in words, per GB/s
  Rational spent;          // for one GB/s at its price each
  std::int64_t least = 0;  // zero where prices did not come out as whole numbers
};

/// May trees branch at nodes that they need not reach?
bool has_choices(const Topology& topology, const TreeDemand& demand);

/// Linear program with a column a tree (a pair of trees, where both kinds are asked for), priced by `TreeFinder`. It ends where `known` bytes per
/// second, which something else proves to be the most, are reached; where more nodes may branch than can be tried, only that makes it exact. `work`
/// limits it, in comparisons, about 1e8 a second; none if one round alone takes more, or the solver gives up.
std::optional<TreePacking> best_tree_packing(const Topology& topology, const TreeDemand& demand, double known, double work);

}  // namespace p2plab::bounds
