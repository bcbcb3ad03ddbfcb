// SPDX-License-Identifier: Apache-2.0
// The main job: plan, prove, predict, run where this machine can, compare.
#pragma once

#include <functional>

#include "p2plab/experiment/experiment.h"
#include "p2plab/report/progress.h"
#include "p2plab/report/report.h"

namespace p2plab {

/// Does what `experiment` asks for: every algorithm x collective x size is planned, proved, lowered with the best of a few tunings and
/// predicted; the executors that this machine has run it. What cannot be done is in the report's `skipped`, with the reason. The same
/// experiment gives the same predictions. Once `stop`, where given, answers true, no further plan is made or run: the rows that are finished stay,
/// and the report's `skipped` says what is missing; `stop` is asked from several threads. With `traces` the report has the winners' traces as
/// attachments, and says which have none. Errors: a plan that its proof rejects; a model that
/// fails.
Result<Report> run(const Experiment& experiment, Progress& progress, const std::function<bool()>& stop = {}, bool traces = true);

/// interrupted if `stop` ended the run early; verification_failed if a plan was not proved or data came out wrong: names the first such row.
Status status_of(const Report& report);

}  // namespace p2plab
