// SPDX-License-Identifier: Apache-2.0
// NCCL as a backend: loaded at run time, with a communicator of its own.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "nccl/graph_holds.h"
#include "p2plab/c/beside_nccl.h"
#include "p2plab/run/communicator.h"
#include "p2plab/run/processes.h"
#include "runtime/call.h"
#include "runtime/gpu_programs.h"
#include "stages/transport.h"

namespace p2plab::runtime {

/// A communicator of all ranks that the caller has, and the functions of its NCCL by which ranks send to each other and make further ones.
struct CallersNccl {
  void* communicator = nullptr;
  int (*group_start)() = nullptr;
  int (*group_end)() = nullptr;
  int (*send)(const void*, std::size_t, int, int, void*, void*) = nullptr;
  int (*receive)(void*, std::size_t, int, int, void*, void*) = nullptr;
  const char* (*error_string)(int) = nullptr;
  int (*unique_id)(p2plab_nccl_id*) = nullptr;
  int (*init_rank)(void**, int, p2plab_nccl_id, int) = nullptr;
  int (*destroy)(void*) = nullptr;
  int (*abort)(void*) = nullptr;
};

class NcclCalls {
 public:
  /// Over the caller's communicator of this one rank: for `exchange` alone. It stays the caller's.
  static std::unique_ptr<NcclCalls> over(const CallersNccl& callers, int ranks, int rank);
  /// A further one of the same ranks by the caller's NCCL, for `exchange` alone. All ranks call it together. Errors: device_failure.
  static Result<std::unique_ptr<NcclCalls>> beside(const CallersNccl& callers, Session& session, const GpuPrograms::Here& here);
  /// Ranks meet through `session`, null where all live here. All ranks call it together. Errors: not_built, device_failure.
  static Result<std::unique_ptr<NcclCalls>> create(Session* session, int ranks, std::span<const GpuPrograms::Here> here);
  ~NcclCalls();
  NcclCalls(const NcclCalls&) = delete;
  NcclCalls& operator=(const NcclCalls&) = delete;
  NcclCalls(NcclCalls&&) = delete;
  NcclCalls& operator=(NcclCalls&&) = delete;

  /// Not 16-bit integers.
  static bool has(DataType type) { return type != DataType::int16 && type != DataType::uint16; }
  Status run(int rank, const Call& call, const DeviceBuffers& buffers, void* stream) const;
  /// Sends and receives of one rank in one group, byte by byte.
  Status exchange(int rank, std::span<const stages::Transfer> sends, std::span<const stages::Transfer> receives, void* stream) const;
  Status state() const;
  /// Ends what waits, from any thread and more than once; what is called from then on is an error.
  void abort();
  /// Graphs that hold calls of a rank, as GraphHolds::left says; none of what was aborted, or is the caller's. NCCL would wait for them in this one's
  /// end.
  int graphs_left(int rank, std::chrono::steady_clock::time_point until) const { return owned_ ? graphs_.left(rank, until) : 0; }
  std::string version() const;

 private:
  struct Library;
  using Handle = void*;
  NcclCalls();
  static std::unique_ptr<NcclCalls> by(const CallersNccl& callers);
  Status join(Session* session, std::span<const GpuPrograms::Here> here, Status ready);
  Status check(int code, const char* what) const;
  Status hold(int rank, void* stream) const;
  Status exchange(const Call& call, int rank, const DeviceBuffers& buffers, void* stream) const;

  std::unique_ptr<Library> library_;
  class Calling;

  int ranks_ = 0;
  bool owned_ = true;                    // the communicators
  std::map<int, Handle> communicators_;  // by rank
  mutable GraphHolds graphs_;
  mutable std::mutex mutex_;  // of what follows
  mutable std::condition_variable ended_;
  mutable int calling_ = 0;  // threads that are within NCCL
  bool aborted_ = false;
};

}  // namespace p2plab::runtime
