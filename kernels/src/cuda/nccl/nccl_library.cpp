// SPDX-License-Identifier: Apache-2.0
#include "cuda/nccl/nccl_library.h"

#include <cstdlib>

#include <fmt/format.h>

#include "cuda/jit/loaded.h"

namespace p2plab::cuda {

Result<NcclLibrary> NcclLibrary::load() {
  // Never the switches' multicast unless the user asks for it: it is a resource of the whole host.
  setenv("NCCL_NVLS_ENABLE", "0", 0);
  const auto library =
      open_library("libnccl.so.2", "P2PLAB_NCCL", {"libnccl.so.2", "/usr/local/cuda/lib/libnccl.so.2", "/usr/local/cuda/lib64/libnccl.so.2"});
  if (!library) return library.error();
  void* const handle = *library;
  NcclLibrary nccl;
  std::string missing;
  find(handle, "ncclGetVersion", nccl.get_version, missing);
  find(handle, "ncclGetErrorString", nccl.get_error_string, missing);
  find(handle, "ncclCommInitAll", nccl.comm_init_all, missing);
  find(handle, "ncclCommDestroy", nccl.comm_destroy, missing);
  find(handle, "ncclAllReduce", nccl.all_reduce, missing);
  find(handle, "ncclBroadcast", nccl.broadcast, missing);
  find(handle, "ncclReduce", nccl.reduce, missing);
  find(handle, "ncclAllGather", nccl.all_gather, missing);
  find(handle, "ncclReduceScatter", nccl.reduce_scatter, missing);
  find(handle, "ncclSend", nccl.send, missing);
  find(handle, "ncclRecv", nccl.receive, missing);
  find(handle, "ncclGroupStart", nccl.group_start, missing);
  find(handle, "ncclGroupEnd", nccl.group_end, missing);
  std::string absent;  // no reason to refuse the rest
  find(handle, "ncclMemAlloc", nccl.memory_alloc, absent);
  find(handle, "ncclMemFree", nccl.memory_free, absent);
  find(handle, "ncclCommRegister", nccl.register_buffer, absent);
  find(handle, "ncclCommDeregister", nccl.deregister_buffer, absent);
  find(handle, "ncclCommWindowRegister", nccl.register_window, absent);
  find(handle, "ncclCommWindowDeregister", nccl.deregister_window, absent);
  if (!missing.empty()) return Error{.code = ErrorCode::not_built, .message = fmt::format("libnccl.so.2 has no {}: it is too old", missing)};
  return nccl;
}

Status NcclLibrary::check(int code, const std::string& what) const {
  if (code == 0) return {};
  return Error{.code = ErrorCode::device_failure, .message = fmt::format("{}: NCCL says '{}'", what, get_error_string(code))};
}

std::string NcclLibrary::version() const {
  int number = 0;
  get_version(&number);
  return fmt::format("{}.{}.{}", number / 10000, number % 10000 / 100, number % 100);
}

}  // namespace p2plab::cuda
