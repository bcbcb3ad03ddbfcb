// SPDX-License-Identifier: Apache-2.0
// cuda, in several processes: the same program on the same kernels, one process a GPU.
#include "executors/backend.h"
#include "p2plab/run/processes.h"

namespace p2plab {

namespace {

class CudaProcesses final : public Executor {
 public:
  explicit CudaProcesses(Session& session) : session_(session) {}
  Status available() const override { return backend::cuda_available(); }
  Clock clock() const override { return Clock::device; }
  Result<Measurement> run(const Job& job, const RunOptions& options) const override {
    if (auto good = backend::without_epilogue(job); !good) return std::move(good).error();
    return backend::run_cuda_process(job, options, *kept_, session_);
  }

 private:
  Session& session_;
  std::shared_ptr<backend::KernelCache> kept_ = backend::make_kernel_cache();
};

class NcclProcesses final : public Executor {
 public:
  explicit NcclProcesses(Session& session) : session_(session) {}
  Status available() const override { return backend::nccl_available(); }
  Clock clock() const override { return Clock::device; }
  Result<Measurement> run(const Job& job, const RunOptions& options) const override {
    if (auto good = backend::without_epilogue(job); !good) return std::move(good).error();
    return backend::run_nccl_process(job, options, *kept_, session_);
  }

 private:
  Session& session_;
  std::shared_ptr<backend::KernelCache> kept_ = backend::make_kernel_cache();
};

}  // namespace

std::unique_ptr<Executor> cuda_processes(Session& session) { return std::make_unique<CudaProcesses>(session); }

std::unique_ptr<Executor> nccl_processes(Session& session) { return std::make_unique<NcclProcesses>(session); }

}  // namespace p2plab
