// SPDX-License-Identifier: Apache-2.0
// What carries messages between servers: a communicator of NCCL's, or several at once, each with a thread and sockets of its own.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "nccl/nccl_calls.h"
#include "network/sharing.h"
#include "runtime/device_calls.h"

namespace p2plab::runtime {

class Carriers {
 public:
  /// `first` alone, which must outlive this.
  explicit Carriers(NcclCalls& first) : first_(first) {}
  /// And as many more as agreed_sharing says, made by the caller's NCCL, if it gave one. All ranks call it together. Errors: invalid_input; those of
  /// NcclCalls::create.
  static Result<std::unique_ptr<Carriers>> create(NcclCalls& first, Session& session, const GpuPrograms::Here& here, const Servers& servers,
                                                  const CallersNccl* callers = nullptr);

  /// As NcclCalls::exchange.
  Status exchange(int rank, std::span<const stages::Transfer> sends, std::span<const stages::Transfer> receives, void* stream) const;
  void abort();
  /// As NcclCalls::graphs_left, of all of them.
  int graphs_left(int rank, std::chrono::steady_clock::time_point until) const;
  int count() const { return sharing_.carriers; }
  /// Does NCCL go over sockets, on all ranks?
  bool by_sockets() const { return sharing_.sockets; }
  /// Empty where there is only the first.
  std::string describe() const;

 private:
  struct More {
    std::unique_ptr<NcclCalls> nccl;
    std::shared_ptr<void> stream;
    device::Order done;
  };
  NcclCalls& first_;
  Sharing sharing_;
  std::vector<More> more_;
  device::Order begun_;
};

}  // namespace p2plab::runtime
