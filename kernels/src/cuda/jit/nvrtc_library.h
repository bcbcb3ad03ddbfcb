// SPDX-License-Identifier: Apache-2.0
// NVRTC, NVIDIA's compiler as a library, loaded when first asked for. Own declarations of the few functions used.
#pragma once

#include <string>

#include "p2plab/base/result.h"

namespace p2plab::cuda {

class NvrtcLibrary {
 public:
  /// Loads the library: from P2PLAB_NVRTC if that is set, else as the loader finds libnvrtc.so.13 or .12, else from the CUDA toolkit's folder.
  /// Errors: not_built with the places looked at, or the function that is missing.
  static Result<NvrtcLibrary> load();

  /// Machine code for GPUs of compute capability `capability` (90 for 9.0) of a source that may include the kernels' own headers.
  /// Errors: unsupported, with the compiler's words.
  Result<std::string> compile(const std::string& source, int capability) const;

 private:
  using Program = void*;
  int (*create_)(Program*, const char*, const char*, int, const char* const*, const char* const*) = nullptr;
  int (*destroy_)(Program*) = nullptr;
  int (*compile_)(Program, int, const char* const*) = nullptr;
  int (*log_size_)(Program, std::size_t*) = nullptr;
  int (*log_)(Program, char*) = nullptr;
  int (*code_size_)(Program, std::size_t*) = nullptr;
  int (*code_)(Program, char*) = nullptr;
  const char* (*error_)(int) = nullptr;
};

}  // namespace p2plab::cuda
