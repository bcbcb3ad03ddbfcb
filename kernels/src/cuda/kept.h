// What executor `cuda` keeps from run to run.
#pragma once

#include <mutex>

#include "cuda/special_kernel.h"

namespace p2plab::backend {

class CudaKept {
 public:
  std::mutex one_at_a_time;
  cuda::SpecialKernels kernels;
};

}  // namespace p2plab::backend
