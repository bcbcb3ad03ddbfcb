// SPDX-License-Identifier: Apache-2.0
// What the simulator recorded of a run's winners: once, for traces and for critical paths.
#pragma once

#include <vector>

#include "plan/grain.h"
#include "run/planned_case.h"

namespace p2plab {

/// Programs of more slices have no trace: its file would be tens of megabytes.
inline constexpr std::int64_t most_traced_slices = 20'000;
/// Programs of more slices are not recorded: it takes about 200 bytes a slice.
inline constexpr std::int64_t most_recorded_slices = 2'000'000;

/// The plan predicted fastest for its collective and size, and what happened in its simulation.
struct WinnerRecording {
  const PlannedCase* winner = nullptr;
  SimResult result;
  std::vector<Measurement> measured = {};  // with steps, by each executor that tells them
};

/// Of each collective the winners at the smallest and at the largest size; and where the latter is too long for a trace, the winner at the largest
/// size at which it is not. Winners too long to be recorded are left out. Errors: those of the simulator.
Result<std::vector<WinnerRecording>> record_winners(const Evaluator& evaluator, const std::vector<PlannedCase>& cases);

}  // namespace p2plab
