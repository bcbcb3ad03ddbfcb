// SPDX-License-Identifier: Apache-2.0
// Which GPUs of a machine to take for a job, and in which order.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "p2plab/bounds/bounds.h"

namespace p2plab {

/// Some GPUs of a machine and what they allow among themselves.
struct Placement {
  /// In the order to number them: neighbours, and the last and the first, are joined as widely as can be.
  std::vector<Rank> gpus;
  /// The best bus bandwidth in GB/s (nccl-tests' busbw) of the collective when the other GPUs are left alone; 0 where some cannot reach each other.
  double busbw_gbps = 0;
  /// What the GPUs' own links carry on the whole machine, over all of the set: less where one of them has lost links.
  Bandwidth own_links = {};
  /// The mean way between two of them: its delay and its links; ways that need another GPU as relay count as longer than any other.
  Seconds latency{0};
  double hops = 0;
  /// Ordered pairs without a way of their own, so that a third GPU must relay.
  int relayed = 0;
  /// How many subsets are the same up to the machine's symmetries, this one included.
  std::int64_t alike = 1;
};

/// Are there few enough sets of `count` GPUs of `n` for `place` to weigh each?
bool can_place(int n, int count);
/// Are there at most so many?
bool has_few_sets(int n, int count, std::int64_t most);

/// Is `a` to be taken before `b`?
bool taken_before(const Placement& a, const Placement& b);

/// Is told of each kind of subset that was weighed, and of how many kinds are left; true: weigh no more.
using Weighed = std::function<bool(const Placement&, std::size_t left)>;

/// All subsets of `count` GPUs up to symmetry: by falling bandwidth, then whole GPUs before damaged ones, then by latency, links and relays. GPUs
/// that NVLinks join use no PCIe among themselves. If `weighed` ends it early, those that were weighed. Errors: a count below 1 or above the
/// machine's GPUs; more than 200,000 subsets (says how many); a collective with a root or pairs, since who is the root would matter.
/// (p2plab/segments/place_servers.h is for those).
Result<std::vector<Placement>> place(const Topology& topology, int count, CollectiveKind kind = CollectiveKind::all_reduce,
                                     const Weighed& weighed = {});

/// `groups` sets of `size` GPUs each that share none (tensor-parallel groups of a pipeline, say): inside as fast as can be, the slowest of them
/// first, then together, then with as short a way from each to the next as can be. Empty if the machine has too few GPUs. Errors: as of `place`, and
/// more than 200,000 ways to part the machine are tried only as far as that.
Result<std::vector<Placement>> place_groups(const Topology& topology, int size, int groups, CollectiveKind kind = CollectiveKind::all_reduce);

}  // namespace p2plab
