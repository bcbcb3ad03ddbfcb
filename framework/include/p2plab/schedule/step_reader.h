// SPDX-License-Identifier: Apache-2.0
// Reads the steps of a schedule, folded or not.
#pragma once

#include <vector>

#include "p2plab/schedule/schedule.h"

namespace p2plab {

/// Gives steps one at a time; those of a folded schedule are made when asked for. The schedule must outlive the reader.
class StepReader {
 public:
  explicit StepReader(const Schedule& schedule) : schedule_(schedule) {}
  /// The step; what it points to stays until the next call.
  Step operator()(StepId id) { return schedule_.folding().folded() ? in_image(id) : schedule_.base_step(id); }

 private:
  Step in_image(StepId id);
  const Schedule& schedule_;
  std::vector<Location> locations_;
  std::vector<RouteId> routes_;
};

}  // namespace p2plab
