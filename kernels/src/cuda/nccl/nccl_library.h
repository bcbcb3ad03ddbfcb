// SPDX-License-Identifier: Apache-2.0
// NCCL, loaded when first asked for. Own declarations of the few functions used, as NCCL 2 has kept them since 2.7.
#pragma once

#include <cstddef>
#include <string>

#include "p2plab/base/result.h"
#include "p2plab/schedule/payload.h"

namespace p2plab::cuda {

using NcclCommunicator = void*;
using NcclStream = void*;

/// The functions of libnccl.so.2, all present.
struct NcclLibrary {
  int (*get_version)(int*) = nullptr;
  const char* (*get_error_string)(int) = nullptr;
  int (*comm_init_all)(NcclCommunicator*, int, const int*) = nullptr;
  int (*comm_destroy)(NcclCommunicator) = nullptr;
  int (*all_reduce)(const void*, void*, std::size_t, int, int, NcclCommunicator, NcclStream) = nullptr;
  int (*broadcast)(const void*, void*, std::size_t, int, int, NcclCommunicator, NcclStream) = nullptr;
  int (*reduce)(const void*, void*, std::size_t, int, int, int, NcclCommunicator, NcclStream) = nullptr;
  int (*all_gather)(const void*, void*, std::size_t, int, NcclCommunicator, NcclStream) = nullptr;
  int (*reduce_scatter)(const void*, void*, std::size_t, int, int, NcclCommunicator, NcclStream) = nullptr;
  int (*send)(const void*, std::size_t, int, int, NcclCommunicator, NcclStream) = nullptr;
  int (*receive)(void*, std::size_t, int, int, NcclCommunicator, NcclStream) = nullptr;
  int (*group_start)() = nullptr;
  int (*group_end)() = nullptr;
  // Younger than 2.7; null where the library is too old for them.
  int (*memory_alloc)(void**, std::size_t) = nullptr;                                   // 2.19
  int (*memory_free)(void*) = nullptr;                                                  // 2.19
  int (*register_buffer)(NcclCommunicator, void*, std::size_t, void**) = nullptr;       // 2.19
  int (*deregister_buffer)(NcclCommunicator, void*) = nullptr;                          // 2.19
  int (*register_window)(NcclCommunicator, void*, std::size_t, void**, int) = nullptr;  // 2.27
  int (*deregister_window)(NcclCommunicator, void*) = nullptr;                          // 2.27

  /// Loads the library: from P2PLAB_NCCL if that is set, else as the loader finds libnccl.so.2, else from the CUDA toolkit's folder.
  /// Errors: not_built with the places looked at, or the function that is missing.
  static Result<NcclLibrary> load();
  /// Success, or device_failure with NCCL's sentence.
  Status check(int code, const std::string& what) const;
  /// "2.28.9".
  std::string version() const;
};

}  // namespace p2plab::cuda
