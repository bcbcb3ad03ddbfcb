// SPDX-License-Identifier: Apache-2.0
// The symmetry of a machine: renumberings of its ranks that change nothing. Sources that a renumbering maps onto each other get the same plan,
// renumbered, which divides the search by the size of the group.
#pragma once

#include <vector>

#include "latency/model.h"

namespace p2plab {

/// A renumbering of ranks with what it does to transfers and resources.
struct Renumbering {
  std::vector<int> rank;
  std::vector<int> arc;
  std::vector<int> resource;
};

/// A large group of renumberings that keep the model and the task and move every rank (but the first, which moves none). At least that first one
/// is there.
std::vector<Renumbering> free_symmetry(const StepModel& model, const StepTask& task);

}  // namespace p2plab
