// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "no_gpus/reason.h"

namespace p2plab::backend {

Error without(const char* what) {
  return Error{.code = ErrorCode::not_built,
               .message = std::string{what} + " was not built: cmake found no CUDA compiler",
               .notes = {"install the CUDA toolkit (12.8 or later), then configure with CUDACXX=/usr/local/cuda/bin/nvcc and -DP2PLAB_CUDA=ON"}};
}

}  // namespace p2plab::backend
