// SPDX-License-Identifier: Apache-2.0
// Steps of a run's winners, as executors measure them, beside those that were predicted.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "p2plab/experiment/experiment.h"
#include "run/recordings.h"

namespace p2plab {

/// One more call of each recorded winner on each executor of the experiment that tells steps and can run here; on CPU threads only up to the size
/// that the experiment checks. What cannot be had `note` is told.
void measure_steps(const Experiment& experiment, const Evaluator& evaluator, std::vector<WinnerRecording>& recordings,
                   const std::function<void(const std::string&)>& note);

/// For those that GPUs' clocks measured: the step furthest from its prediction.
std::vector<std::string> step_sentences(std::span<const WinnerRecording> recordings);

}  // namespace p2plab
