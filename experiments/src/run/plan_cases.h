// SPDX-License-Identifier: Apache-2.0
// Plans every algorithm x collective x size of an experiment, on all cores.
#pragma once

#include <functional>
#include <vector>

#include "p2plab/report/progress.h"
#include "run/planned_case.h"

namespace p2plab {

/// One case per collective, size and algorithm, in that order, with its interval. The same experiment gives the same cases on any number of cores.
/// Those that are not begun when `stop` first answers true have the error `interrupted`.
std::vector<PlannedCase> plan_cases(const Experiment& experiment, const Planning& planning, Progress& progress,
                                    const std::function<bool()>& stop = {});

}  // namespace p2plab
