// SPDX-License-Identifier: Apache-2.0
// What was served, what was passed on, and why.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

namespace p2plab::shim {

enum class Outcome {
  served,             // by a program of ours
  not_ready,          // no program is ready for this call
  left_to_nccl,       // NCCL is faster by the table, or was asked for
  no_communicator,    // ours is being set up, or could not be
  type_or_operation,  // one that we do not have, or the caller's own operation
  other_call          // kinds of calls that are never ours
};

class Counters {
 public:
  void add(Outcome outcome) { counts_[static_cast<std::size_t>(outcome)].fetch_add(1, std::memory_order_relaxed); }
  std::uint64_t of(Outcome outcome) const { return counts_[static_cast<std::size_t>(outcome)].load(std::memory_order_relaxed); }
  /// "served 12, passed on 3: 2 without a program, 1 ...".
  std::string text() const;

 private:
  std::array<std::atomic<std::uint64_t>, 6> counts_{};
};

/// Those of this process; at its end they are written to stderr, or to the file that P2PLAB_REPORT names.
Counters& counters();

}  // namespace p2plab::shim
