// SPDX-License-Identifier: Apache-2.0
// Finds the rings of a machine: directed cycles through all members that share its links without getting in each other's way.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab {

/// Members in ring order, and the ring's share of the payload.
struct Ring {
  std::vector<Rank> order;
  std::int64_t weight = 1;
  double rate = 0;  // bytes per second that the machine carries around it, all rings running
};

/// So many rings are looked for where no number is given, at most.
inline constexpr std::size_t most_unasked = 16;

enum class RingFabric { automatic, nvlink, any };

struct RingOptions {
  /// Which hops may be used. `nvlink`: only routes of direct GPU links; `automatic`: the same if such routes join all members, else any.
  RingFabric fabric = RingFabric::automatic;
  /// The most rings; 0: as many as help on GPU links and networks, one on PCIe.
  int most = 0;
};

/// The rings with the largest total rate: for up to 10 members the exact maximum (fractional packing of directed Hamiltonian cycles), above as
/// good as the search finds. Weights are small integers in the proportion of the rates. One member needs no ring: none is returned.
/// Errors: unsupported, if no ring exists (or none was found, above 10 members); says which hops were allowed and what stands in the way.
Result<std::vector<Ring>> find_rings(const Topology& topology, std::span<const Rank> members, const RingOptions& options);

/// Not more are found, whatever is asked for: between even servers whose ways are alike, inside and out, one of each of a server's members, and one
/// each way of the cheapest cycle. Elsewhere nothing is known: the largest number.
std::size_t most_rings_between(const Topology& topology, std::span<const Rank> members);

/// Positive integers in the proportion of `amounts` (all above zero), exact if a common denominator up to 720 exists, else rounded to 1/1000 of the
/// sum.
std::vector<std::int64_t> integer_weights(std::span<const double> amounts);

}  // namespace p2plab
