// SPDX-License-Identifier: Apache-2.0
// What the processes of one server share: the buffers of its ranks, the progress of their lanes in every stage, and a barrier.
#pragma once

#include <atomic>
#include <span>
#include <vector>

#include "host/host_block.h"
#include "p2plab/segments/segments.h"
#include "processes/shared_memory.h"

namespace p2plab::stages {

class ServerMemory {
 public:
  /// All ranks of the server call it together; `session` is theirs, and `frame` has the memory of all ranks. Errors: those of the session, io.
  static Result<ServerMemory> create(Session& session, const SegmentedProgram& cut, const Program& frame, int server);

  /// By rank of the machine; empty for ranks of other servers.
  const std::vector<std::span<std::byte>>& buffers() const { return buffers_; }
  /// The same: counters for the lanes of one stage's segment.
  std::vector<std::span<ProgressCounter>> counters(std::size_t stage) const;
  /// How many barriers a rank of the server has come to.
  std::atomic<std::uint64_t>& arrivals(Rank rank) const { return counters_[rank.index()][0].value; }

 private:
  std::vector<processes::Mapping> mappings_;
  std::vector<std::span<std::byte>> buffers_;
  std::vector<std::span<ProgressCounter>> counters_;  // by rank: the barrier's, then by stage those of its lanes
  std::vector<std::vector<std::size_t>> blocks_;      // by rank, by stage
};

/// A barrier of the ranks of one server, in their common memory.
class ServerBarrier {
 public:
  ServerBarrier(const ServerMemory& memory, const std::vector<Rank>& ranks, Rank self, const std::atomic<bool>& stop, Seconds deadline)
      : memory_(memory), ranks_(ranks), self_(self), stop_(stop), deadline_(deadline) {}
  /// What all wrote before is visible to all afterwards. Errors: interrupted, device_failure with the rank that did not come.
  Status wait();

 private:
  const ServerMemory& memory_;
  const std::vector<Rank>& ranks_;
  Rank self_;
  const std::atomic<bool>& stop_;
  Seconds deadline_;
  std::uint64_t passed_ = 0;
};

}  // namespace p2plab::stages
