// SPDX-License-Identifier: Apache-2.0
// Islands whose ways out are not like the others': one has lost a NIC, a link is degraded, a server has a GPU less, two GPUs share a NIC. Their
// members carry each other's shards, so that none of their links takes longer than it must, and who cannot keep up with others reduces none: a
// shard's reducer sends twice what the others do. Where no way leads from a member to another one's place, as on rails, a shard passes through the
// member of the other island to which one does.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab {

struct WaysOut {
  /// By island: by shard * islands + turn, the place of the member that is in charge; empty where that is always the member placed like the shard.
  std::vector<std::vector<std::uint16_t>> in_charge;
  /// The islands that reduce shards, rising.
  std::vector<std::size_t> reducers;

  bool uneven() const { return !in_charge.empty() && (reducers.size() < in_charge.size() || !all_alike()); }

 private:
  bool all_alike() const;
};

/// The member of `island`, going on from `inside`, through which data pass between that one and `outside`, of another island, both ways; `inside`
/// itself where it is joined with `outside`.
std::optional<Rank> passes_through(const Topology& topology, std::span<const Rank> island, Rank inside, Rank outside);

/// Of islands that hold a shard for each member of the largest one. Nothing is moved where islands are fewer than three or none is whole.
WaysOut find_ways_out(const Topology& topology, std::span<const std::vector<Rank>> islands);

}  // namespace p2plab
