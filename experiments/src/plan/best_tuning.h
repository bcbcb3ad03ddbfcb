// SPDX-License-Identifier: Apache-2.0
// The form of a plan that is predicted fastest.
#pragma once

#include <functional>

#include "p2plab/experiment/evaluator.h"

namespace p2plab {

struct TimedProgram {
  Program program;
  Seconds time{0};
};

/// Tries copies of lanes, slices and protocols, from the planner's suggestion on, as long as the model says that it gains; once `stop` says true
/// (empty: never) the fastest so far is taken. Errors: those of `lower` and of the model.
Result<TimedProgram> best_tuning(const Evaluator& evaluator, const ProvedPlan& plan, const Payload& payload, const std::function<bool()>& stop);

}  // namespace p2plab
