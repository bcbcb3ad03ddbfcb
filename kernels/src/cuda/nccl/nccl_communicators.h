// SPDX-License-Identifier: Apache-2.0
// NCCL's communicators of a process that has all ranks.
#pragma once

#include <utility>
#include <vector>

#include "cuda/nccl/nccl_library.h"
#include "p2plab/base/result.h"
#include "p2plab/machine/topology.h"

namespace p2plab::cuda {

/// One communicator a rank, all in this process.
class Communicators {
 public:
  static Result<Communicators> create(const NcclLibrary& nccl, const std::vector<int>& devices) {
    Communicators made(nccl);
    made.handles_.resize(devices.size());
    const auto code = nccl.comm_init_all(made.handles_.data(), static_cast<int>(devices.size()), devices.data());
    if (auto done = nccl.check(code, "create communicators"); !done) {
      made.handles_.clear();
      return std::move(done).error();
    }
    return made;
  }
  Communicators(Communicators&& other) noexcept : nccl_(other.nccl_), handles_(std::exchange(other.handles_, {})) {}
  Communicators(const Communicators&) = delete;
  Communicators& operator=(const Communicators&) = delete;
  Communicators& operator=(Communicators&&) = delete;
  ~Communicators() {
    for (auto* const handle : handles_) nccl_.comm_destroy(handle);
  }
  const std::vector<NcclCommunicator>& all() const { return handles_; }
  NcclCommunicator of(Rank rank) const { return handles_[rank.index()]; }

 private:
  explicit Communicators(const NcclLibrary& nccl) : nccl_(nccl) {}
  NcclLibrary nccl_;
  std::vector<NcclCommunicator> handles_;
};

}  // namespace p2plab::cuda
