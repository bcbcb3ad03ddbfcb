// SPDX-License-Identifier: Apache-2.0
// Closed tours through all members: the cheapest one for given costs of neighbours.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace p2plab {

/// Costs of going from one point to another; infinity where that is not allowed.
class CostMatrix {
 public:
  explicit CostMatrix(int points);
  double& at(int from, int to) { return costs_[index(from, to)]; }
  double at(int from, int to) const { return costs_[index(from, to)]; }
  bool allowed(int from, int to) const;
  int points() const { return points_; }

 private:
  std::size_t index(int from, int to) const {
    return static_cast<std::size_t>(from) * static_cast<std::size_t>(points_) + static_cast<std::size_t>(to);
  }
  int points_;
  std::vector<double> costs_;
};

/// Up to this many points the cheapest cycle is exact (Held and Karp, 1962: 2^n n^2 steps); above it is searched for.
inline constexpr int exact_points = 10;

/// A cycle through all points, each once, starting at point 0; the cheapest one for up to `exact_points` points, above a good one by a limited
/// depth-first search, or by merging short cycles, and local moves. None if there is none (or, above `exact_points`, none was found). Needs at least
/// two points.
std::optional<std::vector<int>> cheapest_cycle(const CostMatrix& costs);

/// The sum of the costs around a cycle.
double cycle_cost(const CostMatrix& costs, const std::vector<int>& cycle);

}  // namespace p2plab
