// What executor `cuda` keeps from run to run: kernels that were made for programs, and the memory that programs run in.
#pragma once

#include <mutex>
#include <optional>

#include "cuda/site.h"
#include "cuda/special_kernel.h"

namespace p2plab::backend {

class CudaKept {
 public:
  std::mutex one_at_a_time;
  cuda::SpecialKernels kernels;

  /// The site of ranks on these GPUs, all in this process; the former one goes if it was another. Errors: those of Site::create.
  Result<cuda::Site*> site(const std::vector<int>& devices);
  /// This process's part in the session's site, which is made once.
  Result<cuda::Site*> site(Session& session, int device);

 private:
  std::optional<cuda::Site> site_;
  std::vector<int> devices_;
};

}  // namespace p2plab::backend
