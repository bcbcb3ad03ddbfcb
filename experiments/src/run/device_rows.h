// SPDX-License-Identifier: Apache-2.0
// What was planned, timed on GPUs: all ways of doing one collective at one size in turns, NCCL's among them once.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/gpu_watch.h"
#include "p2plab/experiment/experiment.h"
#include "p2plab/program/executor.h"
#include "p2plab/report/progress.h"
#include "run/planned_case.h"

namespace p2plab {

struct NamedExecutor {
  std::string name;
  const Executor* executor = nullptr;
};

/// Does it run what NCCL does, whatever was planned?
inline bool is_nccl(const std::string& executor) { return executor.starts_with("nccl"); }

struct DeviceRun {
  const Evaluator& evaluator;
  const Experiment& experiment;
  std::function<bool()> stop;
  Progress& progress;
  GpuWatch& watch;
  /// Takes one row; `disturbed` says by what, though it was taken several times.
  std::function<void(const PlannedCase& planned, Measurement measured, const std::vector<std::string>& disturbed)> add;
  std::function<void(const std::string& what, const std::string& reason)> skip;
};

/// In the order of the cases. False if it was stopped before the end. Wrong data is in the measurements.
bool time_on_devices(const std::vector<NamedExecutor>& executors, const std::vector<PlannedCase>& cases, const DeviceRun& run);

}  // namespace p2plab
