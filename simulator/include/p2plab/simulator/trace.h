// SPDX-License-Identifier: Apache-2.0
// What a simulation did, as a picture to walk through: Chrome's trace format, which ui.perfetto.dev opens.
#pragma once

#include <span>
#include <string>

#include "p2plab/program/measurement.h"
#include "p2plab/simulator/simulate.h"

namespace p2plab {

/// Steps as an executor measured them, for a trace.
struct MeasuredTrack {
  std::string executor;
  std::span<const MeasuredStep> steps;
};

/// JSON in the Chrome trace event format ("JSON object format"). A process per GPU with a track per thread block, on it a bar per slice from
/// the moment its waits were over until it was complete, with the waiting before it; a process for links and other resources with a track each,
/// on it a bar per transfer; an arrow from the slice that a slice waited for last. Times in microseconds. `result` must hold a recording.
/// What was measured of the same program stands beside it: a process per GPU and executor, "gpu0, measured by cuda", with the same names of steps,
/// begun when the first simulated block comes to its first step; of at most `most_measured_steps`.
std::string write_trace(const Topology& topology, const Program& program, const SimResult& result, std::span<const MeasuredTrack> measured = {});
inline constexpr std::size_t most_measured_steps = 40'000;

}  // namespace p2plab
