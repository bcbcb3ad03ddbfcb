// SPDX-License-Identifier: Apache-2.0
// Interleaved times, taken again where the machine was not left alone.
#pragma once

#include "bench/gpu_watch.h"
#include "bench/interleaved.h"

namespace p2plab {

struct QuietTimes {
  std::vector<InterleavedTimes> times = {};
  std::vector<std::string> disturbed = {};  // by what, in these times; empty: nothing that NVML knows of
  int tries = 1;
};

/// GPUs are looked at after each round. Times that were disturbed are taken again, at most `most_tries` times in all; those least disturbed are kept.
/// Data is checked the first time. Errors: those of time_interleaved.
Result<QuietTimes> time_in_quiet(const Evaluator& evaluator, std::span<const Contender> contenders, const InterleavedOptions& options,
                                 GpuWatch& watch, int most_tries = 3);

}  // namespace p2plab
