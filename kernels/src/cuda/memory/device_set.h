// SPDX-License-Identifier: Apache-2.0
// The GPUs of a communicator's ranks, and the memory that they lend to programs: it stays when a program goes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cuda/api.h"
#include "cuda/memory/peer_memory.h"
#include "lowered/arena.h"

namespace p2plab::cuda {

class DeviceSet {
 public:
  struct Gpu {
    int device = 0;  // its number in the process that uses it
    std::string bus;
    int capability = 0;
    int multiprocessors = 0;
  };

  /// All ranks in this process. Errors: no_device, device_failure.
  static Result<DeviceSet> create(const std::vector<int>& devices, Bytes least);
  /// One rank in this process; all ranks call it together, and `session` must outlive the device_set. Errors: as above, and those of the session.
  static Result<DeviceSet> create(Session& session, int device, Bytes least);

  int ranks() const { return static_cast<int>(gpus_.size()); }
  const Gpu& gpu(std::size_t rank) const& { return gpus_[rank]; }
  const Gpu& gpu(std::size_t rank) && = delete;
  /// Does this process drive the rank?
  bool has(std::size_t rank) const { return sides_[rank].has_value(); }
  /// The lowest rank that it drives.
  std::size_t own() const { return peer_memory_ ? peer_memory_->rank().index() : 0; }
  /// The most ranks that share one GPU.
  int ranks_per_gpu() const { return ranks_per_gpu_; }
  int least_multiprocessors() const;
  int least_capability() const;
  /// The other processes, or null.
  PeerMemory* peer_memory() const { return peer_memory_.get(); }

  /// Of a rank that this process drives; its GPU must be the current one when an arena grows.
  Arena& memory(std::size_t rank) { return sides_[rank]->memory; }
  Arena& host_memory(std::size_t rank) { return sides_[rank]->host_memory; }
  const Arena& memory(std::size_t rank) const { return sides_[rank]->memory; }
  const Arena& host_memory(std::size_t rank) const { return sides_[rank]->host_memory; }
  /// For setting up, beside whatever runs.
  const Stream& stream(std::size_t rank) const { return sides_[rank]->stream; }

 private:
  struct Side {
    Arena memory;
    Arena host_memory;
    Stream stream;
  };

  DeviceSet() = default;
  Status add(std::size_t rank, Bytes least);

  std::unique_ptr<PeerMemory> peer_memory_;  // outlives the arenas, which it makes host memory for
  std::vector<Gpu> gpus_;
  std::vector<std::optional<Side>> sides_;
  int ranks_per_gpu_ = 1;
};

}  // namespace p2plab::cuda
