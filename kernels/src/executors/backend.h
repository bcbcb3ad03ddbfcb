// SPDX-License-Identifier: Apache-2.0
// What the executors `cuda` and `nccl` need from CUDA. src/cuda/ defines these; in programs without code for GPUs src/no_gpus/ does.
#pragma once

#include <memory>

#include "p2plab/program/executor.h"
#include "p2plab/run/calibration.h"
#include "p2plab/run/pair_probe.h"
#include "p2plab/run/processes.h"

namespace p2plab::backend {

/// no_device or not_built, with the reason and the remedy, where they cannot run.
Status cuda_available();
Status nccl_available();
/// The same, and unsupported where the library is too old for symmetric windows.
Status nccl_symmetric_available();

/// What an executor keeps from run to run: kernels that were made for programs.
class KernelCache;
std::shared_ptr<KernelCache> make_kernel_cache();

/// What an executor of NCCL's keeps from run to run: communicators, which take longer to set up than most of what is timed.
class KeptCommunicators;
std::shared_ptr<KeptCommunicators> keep_communicators();

/// Runs the job's program with our kernels, or its collective with NCCL; see Executor::run.
Result<Measurement> run_cuda(const Job& job, const RunOptions& options, KernelCache& kept);
Result<Measurement> run_nccl(const Job& job, const RunOptions& options, KeptCommunicators& kept);

/// The part of one rank in a job of several processes; all ranks call it together.
Result<Measurement> run_cuda_process(const Job& job, const RunOptions& options, KernelCache& kept, Session& session);
/// The same of NCCL alone, over whatever transport it takes between them.
Result<Measurement> run_nccl_process(const Job& job, const RunOptions& options, KernelCache& kept, Session& session);
/// See calibration.h.
Result<CalibrationData> measure_calibration();
/// See pair_probe.h.
Result<std::unique_ptr<PairProber>> cuda_pair_prober();

/// Executors that time a collective alone have no tensors for an epilogue.
inline Status without_epilogue(const Job& job) {
  if (job.program == nullptr || !job.program->epilogue) return {};
  return Error{.code = ErrorCode::unsupported,
               .message = "this executor runs programs without an epilogue",
               .notes = {"executor host in one process runs and checks it; programs of one's own call it through p2plab/run/communicator.h"}};
}

}  // namespace p2plab::backend
