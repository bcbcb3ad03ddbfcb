// SPDX-License-Identifier: Apache-2.0
// What executor `cuda` keeps from run to run: kernels that were made for programs, and the memory that programs run in.
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "cuda/jit/special_kernel.h"
#include "cuda/memory/device_set.h"

namespace p2plab::cuda {
class CudaStages;
}

namespace p2plab::backend {

class KernelCache {
 public:
  std::mutex one_at_a_time;
  cuda::SpecialKernels kernels;
  std::unique_ptr<cuda::CudaStages> stages;  // where the ranks live on several servers
  KernelCache();
  ~KernelCache();
  KernelCache(const KernelCache&) = delete;
  KernelCache& operator=(const KernelCache&) = delete;
  KernelCache(KernelCache&&) = delete;
  KernelCache& operator=(KernelCache&&) = delete;

  /// The device_set of ranks on these GPUs, all in this process; the previous one goes if it was another. Errors: those of DeviceSet::create.
  Result<cuda::DeviceSet*> device_set(const std::vector<int>& devices);
  /// This process's part in the session's device_set, which is made once.
  Result<cuda::DeviceSet*> device_set(Session& session, int device);

 private:
  std::optional<cuda::DeviceSet> device_set_;
  std::vector<int> devices_;
};

}  // namespace p2plab::backend
