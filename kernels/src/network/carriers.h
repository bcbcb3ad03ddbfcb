// SPDX-License-Identifier: Apache-2.0
// What carries messages between servers: a communicator of NCCL's, or several at once, each with a thread and sockets of its own.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "runtime/device_calls.h"
#include "runtime/nccl_calls.h"

namespace p2plab::runtime {

/// Parts of a message that go by different carriers: as many as there are, but none below 256 KiB unless it is all of it.
std::vector<stages::Transfer> parts_of(const stages::Transfer& transfer, int carriers);

class Carriers {
 public:
  /// `first` alone, which must outlive this.
  explicit Carriers(NcclCalls& first) : first_(first) {}
  /// And so many more as P2PLAB_CARRIERS (1 to 8, the same on all ranks) says beyond it. All ranks call it together. Errors: invalid_input; those of
  /// NcclCalls::create.
  static Result<std::unique_ptr<Carriers>> create(NcclCalls& first, Session& session, const GpuPrograms::Here& here);

  /// As NcclCalls::exchange.
  Status exchange(int rank, std::span<const stages::Transfer> sends, std::span<const stages::Transfer> receives, void* stream) const;
  void abort();

 private:
  struct More {
    std::unique_ptr<NcclCalls> nccl;
    std::shared_ptr<void> stream;
    device::Order done;
  };
  NcclCalls& first_;
  std::vector<More> more_;
  device::Order begun_;
};

}  // namespace p2plab::runtime
