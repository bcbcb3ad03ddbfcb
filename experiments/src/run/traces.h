// SPDX-License-Identifier: Apache-2.0
// Traces and heatmaps of a run's winners.
#pragma once

#include <span>
#include <vector>

#include "p2plab/report/report.h"
#include "run/recordings.h"

namespace p2plab {

/// For each recording that is short enough: the trace (for ui.perfetto.dev) and the heatmap of its links (CSV and SVG).
std::vector<Attachment> traces_of(const Topology& topology, std::span<const WinnerRecording> recordings);

}  // namespace p2plab
