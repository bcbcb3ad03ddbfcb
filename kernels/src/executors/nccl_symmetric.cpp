// SPDX-License-Identifier: Apache-2.0
// Executor `nccl_symmetric`: executor `nccl` on buffers registered as symmetric windows, which lets NCCL take its symmetric kernels.
#include "executors/backend.h"
#include "p2plab/run/builtin_executors.h"

namespace p2plab {

namespace {

class NcclSymmetric final : public Executor {
 public:
  Status available() const override { return backend::nccl_symmetric_available(); }
  Clock clock() const override { return Clock::device; }
  Result<Measurement> run(const Job& job, const RunOptions& options) const override {
    if (auto good = backend::without_epilogue(job); !good) return std::move(good).error();
    auto registered = options;
    registered.registration = Registration::symmetric;
    auto result = backend::run_nccl(job, registered, *kept_);
    if (result) result->executor = "nccl_symmetric";
    return result;
  }

 private:
  std::shared_ptr<backend::KeptCommunicators> kept_ = backend::keep_communicators();
};

}  // namespace

namespace executors {
Entry<Executor> nccl_symmetric() {
  return {"nccl_symmetric", "NVIDIA's library on buffers registered as symmetric windows", {}, [] { return std::make_unique<NcclSymmetric>(); }};
}
}  // namespace executors

}  // namespace p2plab
