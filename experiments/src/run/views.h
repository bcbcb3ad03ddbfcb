// SPDX-License-Identifier: Apache-2.0
// What was simulated of a run's winners, as report.html draws it.
#pragma once

#include <span>
#include <vector>

#include "p2plab/report/report.h"
#include "run/recordings.h"

namespace p2plab {

/// For each recording that is short enough, JSON: the machine with the load of its links, how busy they were over time, what each thread block did
/// when. Of many links the busiest, of many thread blocks the first; the notes in it say so.
std::vector<SimulatedView> views_of(const Topology& topology, std::span<const WinnerRecording> recordings);

}  // namespace p2plab
