// SPDX-License-Identifier: Apache-2.0
// What is worth weighing where the fastest plan is looked for: every planner with its defaults, and variants that are best somewhere.
#pragma once

#include <string>
#include <vector>

#include "p2plab/program/planner.h"

namespace p2plab {

/// A planner of a registry, with values for its parameters.
struct PlanCandidate {
  const Entry<Planner>* planner = nullptr;
  Parameters parameters = {};
  /// "ring", or "ring (rings=8)".
  std::string name() const;
};

/// The candidates among `planners`, which must outlive them, for a collective of so many members: first all with their defaults, in order.
std::vector<PlanCandidate> plan_candidates(const Registry<Planner>& planners, std::size_t members);

}  // namespace p2plab
