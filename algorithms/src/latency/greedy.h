// SPDX-License-Identifier: Apache-2.0
// A quick way to few steps, for machines that are too large for the exact search.
#pragma once

#include <optional>

#include "latency/model.h"

namespace p2plab {

/// Every chunk goes one hop nearer to each of its receivers in every step in which it can; among ways equally near, the one whose resources have been
/// used least. In the fewest steps if `steps` is that number; with more steps, the rounds of a step are kept as low as still leads to the end.
/// None if something is out of reach. Deterministic.
std::optional<StepPlan> quick_plan(const StepModel& model, const StepTask& task, int chunks, int steps);

}  // namespace p2plab
