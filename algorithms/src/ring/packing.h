// SPDX-License-Identifier: Apache-2.0
// Which cycles through all members share a machine's links best, and how much each carries.
#pragma once

#include <functional>
#include <limits>
#include <vector>

#include "ring/cycles.h"

namespace p2plab {

/// Members as points 0..n-1, and what a hop between two of them uses up.
struct RingProblem {
  CostMatrix distances;                                     // infinity: hop not allowed; shorter is better among equals
  std::function<std::vector<std::size_t>(int, int)> hop;    // from one to another: resources, each as often as the hop uses it
  std::vector<double> capacities;                           // of each resource, above zero
  std::vector<std::vector<int>> offers = {};                // cycles worth trying
  bool guess = true;                                        // beyond them, if they are not enough
  double enough = std::numeric_limits<double>::infinity();  // no packing carries more
};

struct PackedCycle {
  std::vector<int> cycle;
  double amount = 0;
};

/// At most `most` cycles with a large total amount, largest first. For up to `exact_points` points the total is the optimum of the fractional packing
/// unless `most` forbids it; among optimal packings those of few, full cycles are preferred. Above, the best of fractional packing over the cycles
/// found and of several greedy ones. `first` is a cycle that is allowed.
std::vector<PackedCycle> pack_cycles(const RingProblem& problem, const std::vector<int>& first, std::size_t most);

}  // namespace p2plab
