// Plans every algorithm x collective x size of an experiment, on all cores.
#pragma once

#include <functional>
#include <vector>

#include "outcome.h"
#include "p2plab/progress.h"

namespace p2plab {

/// One outcome per collective, size and algorithm, in that order. The same experiment gives the same outcomes on any number of cores. Those
/// that are not begun when `stop` first answers true have the error `interrupted`.
std::vector<Outcome> plan_all(const Experiment& experiment, const Setting& setting, Progress& progress, const std::function<bool()>& stop = {});

/// Plans, proves and predicts one algorithm. `auto` weighs its candidates by the setting's model.
/// Errors: those of the planner; verification_failed.
Result<Evaluation> plan_one(const Setting& setting, const AlgorithmChoice& choice, const Collective& collective, const Payload& payload, bool in_place);

}  // namespace p2plab
