// SPDX-License-Identifier: Apache-2.0
// A call of ranks on several servers, by stages: any addresses, in place or not, and counts up to the one that the program is for.
#pragma once

#include <memory>
#include <string>

#include "runtime/gpu_programs.h"
#include "runtime/stage_runs.h"

namespace p2plab::runtime {

class StagedProgram final : public ReadyProgram {
 public:
  /// Plans, proves and cuts, and takes the rank's memory. Errors: those of planning and cutting; unsupported, for a call with an epilogue.
  static Result<std::unique_ptr<StagedProgram>> create(const Call& call, int ranks, int rank, int device, const NcclCalls& nccl,
                                                       const PlanSource& plans, int most_blocks);
  /// All ranks of a server do so together, in the communicator of their server.
  Status prepare(Communicator& communicator, int most_blocks);

  Status run(int rank, const Call& exact, const DeviceBuffers& buffers, void* stream) const override;
  Status state() const override { return runs_->state(); }
  std::string describe() const override;
  ProgramForm form() const override;
  bool keeps_journal() const override { return false; }

 private:
  StagedProgram(const Call& call, int ranks, const NcclCalls& nccl, ChosenPlan chosen)
      : call_(call), ranks_(ranks), nccl_(nccl), chosen_(std::move(chosen)) {}

  Call call_;
  int ranks_;
  const NcclCalls& nccl_;
  ChosenPlan chosen_;
  Program program_;  // its payload and tuning; what runs is cut
  std::unique_ptr<StageRuns> runs_;
};

}  // namespace p2plab::runtime
