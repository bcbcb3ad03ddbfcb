// SPDX-License-Identifier: Apache-2.0
// Executor `nccl`: the same collective on the same buffers by NVIDIA's library, as the yardstick beside `cuda`. Loaded at run time.
#include "executors/backend.h"
#include "p2plab/run/builtin_executors.h"

namespace p2plab {

namespace {

class Nccl final : public Executor {
 public:
  Status available() const override { return backend::nccl_available(); }
  Clock clock() const override { return Clock::device; }
  Result<Measurement> run(const Job& job, const RunOptions& options) const override {
    if (auto good = backend::without_epilogue(job); !good) return std::move(good).error();
    return backend::run_nccl(job, options, *kept_);
  }

 private:
  std::shared_ptr<backend::KeptCommunicators> kept_ = backend::keep_communicators();
};

}  // namespace

namespace executors {
Entry<Executor> nccl() {
  return {"nccl", "NVIDIA's library instead of the program, for comparison", {}, [] { return std::make_unique<Nccl>(); }};
}
}  // namespace executors

}  // namespace p2plab
