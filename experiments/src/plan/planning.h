// SPDX-License-Identifier: Apache-2.0
// Plans every algorithm x collective x size of an experiment, on all cores.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "p2plab/report/progress.h"
#include "run/planned_case.h"

namespace p2plab {

/// One outcome per collective, size and algorithm, in that order. The same experiment gives the same outcomes on any number of cores. Those
/// that are not begun when `stop` first answers true have the error `interrupted`.
std::vector<Outcome> plan_all(const Experiment& experiment, const Setting& setting, Progress& progress, const std::function<bool()>& stop = {});

/// How one plan is made.
struct PlanningOptions {
  bool in_place = false;
  std::optional<Seconds> time_limit = std::nullopt;                                                // as PlanContext's
  std::function<void(const std::string& candidate, std::optional<Seconds> time)> considered = {};  // as PlanContext's
  const PreviousPlan* previous = nullptr;                                                          // as PlanContext's
};

/// Plans, proves and predicts one algorithm. `auto` weighs its candidates by the setting's model; `tuned` takes its table's plan for the size.
/// Errors: those of the planner; a table for another machine or collective; verification_failed.
Result<Evaluation> plan_one(const Setting& setting, const AlgorithmChoice& choice, const Collective& collective, const Payload& payload,
                            const PlanningOptions& options);

}  // namespace p2plab
