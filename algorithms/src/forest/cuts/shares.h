// SPDX-License-Identifier: Apache-2.0
// Forests whose roots and shares of the links a linear program chose: all-reduce with in-trees and out-trees side by side on the same links.
#pragma once

#include <utility>

#include "forest/cuts/capacity_graph.h"
#include "forest/direction.h"

namespace p2plab {

/// In-trees (arcs against the links) and out-trees, each root as many of the one as of the other.
struct ForestPair {
  ForestProblem in;
  ForestProblem out;
  std::int64_t trees = 0;       // of all roots
  double seconds_per_byte = 0;  // of payload
};

/// The problems of the best all-reduce among all GPUs of the machine: rates as whole numbers of trees, exact where a denominator up to 360 serves,
/// else rounded at a small loss. None if no linear program could be solved, some GPU is unreachable, or nothing fits.
std::optional<ForestPair> all_reduce_problems(const Topology& topology);

/// One direction only, to or from all GPUs, with `weights` by vertex as roots.
struct ForestShare {
  ForestProblem problem;
  double seconds_per_weight = 0;
};

/// The problem of the best packing where groups, node limits or switches with more links out than in leave a choice of what to use.
std::optional<ForestShare> one_way_problem(const Topology& topology, const std::vector<std::int64_t>& weights, TreeDirection direction);

}  // namespace p2plab
