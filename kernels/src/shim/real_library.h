// SPDX-License-Identifier: Apache-2.0
// The NCCL that the shim stands before, and the functions of it that the shim itself calls.
#pragma once

#include <cstddef>
#include <string>

namespace p2plab::shim {

using Comm = void*;
using Stream = void*;
/// As every NCCL 2 has it; passed by value.
struct UniqueId {
  char bytes[128];
};

/// ncclResult_t.
inline constexpr int success = 0;
inline constexpr int system_error = 2;
inline constexpr int invalid_usage = 5;
inline constexpr int remote_error = 6;
inline constexpr int in_progress = 7;

/// Where the real library was found, and by what; why it was not, where it was not.
struct RealLibrary {
  void* handle = nullptr;
  std::string path = {};
  std::string how = {};
};
/// Found when first asked for: P2PLAB_NCCL, then a library that is loaded already, then what the loader finds, then the usual places.
const RealLibrary& real_library();

/// One line on stderr.
void say(const std::string& text);

}  // namespace p2plab::shim

extern "C" {
// The slots that the forwarders jump through, and their names.
extern void* p2plab_slots[];
extern const char* const p2plab_names[];
extern const std::size_t p2plab_name_count;

using p2plab::shim::Comm;
using p2plab::shim::Stream;
using p2plab::shim::UniqueId;
int p2plab_real_ncclAllGather(const void*, void*, std::size_t, int, Comm, Stream);
int p2plab_real_ncclAllReduce(const void*, void*, std::size_t, int, int, Comm, Stream);
int p2plab_real_ncclAlltoAll(const void*, void*, std::size_t, int, Comm, Stream);
int p2plab_real_ncclBcast(void*, std::size_t, int, int, Comm, Stream);
int p2plab_real_ncclBroadcast(const void*, void*, std::size_t, int, int, Comm, Stream);
int p2plab_real_ncclGather(const void*, void*, std::size_t, int, int, Comm, Stream);
int p2plab_real_ncclScatter(const void*, void*, std::size_t, int, int, Comm, Stream);
int p2plab_real_ncclReduce(const void*, void*, std::size_t, int, int, int, Comm, Stream);
int p2plab_real_ncclReduceScatter(const void*, void*, std::size_t, int, int, Comm, Stream);
int p2plab_real_ncclSend(const void*, std::size_t, int, int, Comm, Stream);
int p2plab_real_ncclRecv(void*, std::size_t, int, int, Comm, Stream);
int p2plab_real_ncclRedOpDestroy(int, Comm);
int p2plab_real_ncclCommAbort(Comm);
int p2plab_real_ncclCommDestroy(Comm);
int p2plab_real_ncclCommFinalize(Comm);
int p2plab_real_ncclCommRevoke(Comm, int);
int p2plab_real_ncclCommGetAsyncError(Comm, int*);
int p2plab_real_ncclCommInitAll(Comm*, int, const int*);
int p2plab_real_ncclCommInitRank(Comm*, int, UniqueId, int);
int p2plab_real_ncclCommInitRankConfig(Comm*, int, UniqueId, int, void*);
int p2plab_real_ncclCommInitRankScalable(Comm*, int, int, int, UniqueId*, void*);
int p2plab_real_ncclCommShrink(Comm, int*, int, Comm*, void*, int);
int p2plab_real_ncclCommSplit(Comm, int, int, Comm*, void*);
int p2plab_real_ncclCommCount(Comm, int*);
int p2plab_real_ncclCommUserRank(Comm, int*);
int p2plab_real_ncclCommCuDevice(Comm, int*);
int p2plab_real_ncclGetUniqueId(UniqueId*);
const char* p2plab_real_ncclGetErrorString(int);
int p2plab_real_ncclGroupStart();
int p2plab_real_ncclGroupEnd();
int p2plab_real_ncclGroupSimulateEnd(void*);
}
