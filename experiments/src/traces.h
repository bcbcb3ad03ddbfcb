// Traces of a run's winners.
#pragma once

#include <vector>

#include "outcome.h"
#include "p2plab/report.h"

namespace p2plab {

/// For each collective, the trace of the plan predicted fastest at the smallest size and at the largest size whose program is small enough to
/// look at, as files for ui.perfetto.dev. Errors: those of the simulator.
Result<std::vector<Attachment>> winner_traces(const Experiment& experiment, const Setting& setting, const std::vector<Outcome>& outcomes);

}  // namespace p2plab
