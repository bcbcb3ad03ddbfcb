// SPDX-License-Identifier: Apache-2.0
// Executor `cuda`: runs the Program itself on GPUs by peer loads and stores. One process, one host thread and one GPU a rank; rank r is GPU r.
// Protocol simple runs slice by slice with signals, the others element by element (see kernels/README.md).
#include "executors/backend.h"
#include "p2plab/run/builtin_executors.h"

namespace p2plab {

namespace {

class Cuda final : public Executor {
 public:
  Status available() const override { return backend::cuda_available(); }
  Clock clock() const override { return Clock::device; }
  Result<Measurement> run(const Job& job, const RunOptions& options) const override { return backend::run_cuda(job, options, *kept_); }

 private:
  std::shared_ptr<backend::KernelCache> kept_ = backend::make_kernel_cache();
};

}  // namespace

namespace executors {
Entry<Executor> cuda() {
  return {"cuda", "the program itself on NVIDIA GPUs, by peer loads and stores", {}, [] { return std::make_unique<Cuda>(); }};
}
}  // namespace executors

}  // namespace p2plab
