// SPDX-License-Identifier: Apache-2.0
// Steps of one call on GPUs, as their kernels note them: of several calls one after another that of middle length, all ranks by one clock.
#pragma once

#include "cuda/memory/buffers.h"
#include "cuda/run/run.h"
#include "cuda/timing.h"
#include "p2plab/program/measurement.h"

namespace p2plab::cuda {

struct StepTimes {
  std::vector<MeasuredStep> steps = {};
  Seconds apart{0};  // how far the clocks of two GPUs may still be from each other
};

/// What `job` runs on: as for its measurement.
struct StepSubject {
  const RankStreams& ranks;
  const Buffers& buffers;
  SpecialKernels& kernels;
  DeviceSet& device_set;
};

/// Makes the program ready again, in kernels that note steps. Errors: those of GpuRun and of timing; unsupported: its kernels note none.
Result<StepTimes> time_steps(const Job& job, const RunOptions& options, const StepSubject& subject);

}  // namespace p2plab::cuda
