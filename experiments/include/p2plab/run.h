// The main job: plan, prove, predict, run where this machine can, compare.
#pragma once

#include "p2plab/experiment.h"
#include "p2plab/progress.h"
#include "p2plab/report.h"

namespace p2plab {

/// Does what `experiment` asks for: every algorithm x collective x size is planned, proved, lowered with the best of a few tunings and
/// predicted; the executors that this machine has run it. What cannot be done is in the report's `skipped`, with the reason. The same
/// experiment gives the same predictions. Errors: a plan that
/// its proof rejects; a model that fails.
Result<Report> run(const Experiment& experiment, Progress& progress);

/// verification_failed if a plan was not proved or data came out wrong: names the first such row.
Status status_of(const Report& report);

}  // namespace p2plab
