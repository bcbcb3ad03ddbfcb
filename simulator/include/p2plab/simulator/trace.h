// SPDX-License-Identifier: Apache-2.0
// What a simulation did, as a picture to walk through: Chrome's trace format, which ui.perfetto.dev opens.
#pragma once

#include <string>

#include "p2plab/simulator/simulate.h"

namespace p2plab {

/// JSON in the Chrome trace event format ("JSON object format"). A process per GPU with a track per thread block, on it a bar per slice from
/// the moment its waits were over until it was complete, with the waiting before it; a process for links and other resources with a track each,
/// on it a bar per transfer; an arrow from the slice that a slice waited for last. Times in microseconds. `result` must hold a recording.
std::string write_trace(const Topology& topology, const Program& program, const SimResult& result);

}  // namespace p2plab
