// SPDX-License-Identifier: Apache-2.0
// What executor `cuda` times: calls of a program; with an epilogue, in the same kernel or as one of its own behind.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cuda/memory/rows_memory.h"
#include "cuda/run/run.h"

namespace p2plab::cuda {

class TimedCall {
 public:
  /// On buffers that all ranks of this process have. What is passed must outlive this. Errors: those of GpuRun::create; device_failure.
  static Result<TimedCall> create(const Job& job, const RunOptions& options, const Buffers& buffers, const std::vector<int>& devices,
                                  SpecialKernels& kernels, DeviceSet& device_set);

  Status enqueue(Rank rank, const Stream& stream) const;
  Status hang() const { return run_->hang(); }
  /// Does the buffers' output hold the collective's result, so that it can be compared?
  bool is_compared() const { return !program_->epilogue || program_->epilogue->gives_sum; }
  std::vector<std::string> notes() const;

 private:
  explicit TimedCall(const Program& program) : program_(&program) {}

  const Program* program_;
  std::vector<DeviceBuffers> addresses_;
  std::optional<RowsMemory> rows_;
  std::unique_ptr<const Program> plain_;  // where rows are apart: the program without them
  std::unique_ptr<GpuRun> run_;
};

}  // namespace p2plab::cuda
