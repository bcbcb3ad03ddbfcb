// SPDX-License-Identifier: Apache-2.0
// Plans every algorithm x collective x size of an experiment, on all cores.
#pragma once

#include <functional>
#include <vector>

#include "p2plab/report/progress.h"
#include "p2plab/report/report.h"
#include "run/planned_case.h"

namespace p2plab {

/// One case per collective, size and algorithm, in that order, with its interval. The same experiment gives the same cases on any number of cores.
/// Those that are not begun when `stop` first answers true have the error `interrupted`.
std::vector<PlannedCase> plan_cases(const Experiment& experiment, const Planning& planning, Progress& progress,
                                    const std::function<bool()>& stop = {});

/// The message of an error with its notes, in one line.
std::string reason_of(const Error& error);

/// What could not be planned: one line for all sizes that an algorithm cannot do for the same reason.
std::vector<Skipped> impossible(const std::vector<PlannedCase>& cases);

}  // namespace p2plab
