// SPDX-License-Identifier: Apache-2.0
// Times in turns, taken again where the machine was not left alone.
#pragma once

#include "bench/gpu_watch.h"
#include "bench/interleaved.h"

namespace p2plab {

struct QuietTimes {
  std::vector<TurnTimes> times = {};
  std::vector<std::string> disturbed = {};  // by what, in these times; empty: nothing that NVML knows of
  int tries = 1;
};

/// GPUs are looked at after each round. Times that were disturbed are taken again, at most `most_tries` times in all; those least disturbed are kept.
/// Data is checked the first time. Errors: those of time_in_turns.
Result<QuietTimes> time_in_quiet(const Evaluator& evaluator, std::span<const Contender> contenders, const TurnOptions& options, GpuWatch& watch,
                                 int most_tries = 3);

}  // namespace p2plab
