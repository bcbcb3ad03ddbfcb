// SPDX-License-Identifier: Apache-2.0
// Which GPUs of a machine to take for a job, and in which order.
#pragma once

#include <vector>

#include "p2plab/bounds/bounds.h"

namespace p2plab {

/// Some GPUs of a machine and what they allow among themselves.
struct Placement {
  /// In the order to number them: neighbours, and the last and the first, are joined as widely as can be.
  std::vector<Rank> gpus;
  /// The best bus bandwidth in GB/s (nccl-tests' busbw) of the collective when the other GPUs are left alone; 0 where some cannot reach each other.
  double busbw_gbps = 0;
  /// How many subsets are the same up to the machine's symmetries, this one included.
  std::int64_t alike = 1;
};

/// All subsets of `count` GPUs up to symmetry, by falling bandwidth, then by rising ranks. Errors: a count below 1 or above the machine's GPUs; more
/// than 200,000 subsets (says how many); a collective with a root or pairs, since who is the root would matter.
Result<std::vector<Placement>> place(const Topology& topology, int count, CollectiveKind kind = CollectiveKind::all_reduce);

}  // namespace p2plab
