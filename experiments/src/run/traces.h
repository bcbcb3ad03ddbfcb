// SPDX-License-Identifier: Apache-2.0
// Traces and heatmaps of a run's winners.
#pragma once

#include <vector>

#include "p2plab/report/report.h"
#include "run/planned_case.h"

namespace p2plab {

/// Programs of more slices are not recorded: a trace of more is tens of megabytes.
inline constexpr std::int64_t most_recorded_slices = 20'000;

/// Slices of all instructions of a program.
std::int64_t slices_of(const Program& program);

/// For each collective, the trace (for ui.perfetto.dev) and the heatmap of its links (CSV and SVG) of the plan predicted fastest at the smallest
/// size and at the largest size whose program is small enough to look at. Errors: those of the simulator.
Result<std::vector<Attachment>> winner_traces(const Experiment& experiment, const Setting& setting, const std::vector<Outcome>& outcomes);

}  // namespace p2plab
