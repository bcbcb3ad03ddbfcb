// SPDX-License-Identifier: Apache-2.0
// How a machine maps onto itself. What is planned for one GPU then serves all that it can be mapped to.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab {

/// A mapping of a machine onto itself: node v goes to nodes[v], link l to links[l], group g to groups[g]. Kinds, bandwidths, latencies, limits and
/// budgets stay the same.
struct Automorphism {
  std::vector<std::int32_t> nodes;
  std::vector<std::int32_t> links;
  std::vector<std::int32_t> groups;
};

/// The one that leaves everything in its place.
Automorphism identity_of(const Topology& topology);

/// Automorphisms from which all others can be composed; empty if there is none but the identity. `marks` (by node; empty: none) must stay the same
/// too. Found by colour refinement and backtracking; on machines that defeat the search limit some may be missing.
std::vector<Automorphism> automorphism_generators(const Topology& topology, std::span<const std::int64_t> marks = {});

/// A group of automorphisms, the identity first, no more than there are GPUs, that joins GPUs into few orbits. On machines whose GPUs are all
/// alike it has, as a rule, exactly one element for each GPU.
std::vector<Automorphism> symmetry_group(const Topology& topology, std::span<const std::int64_t> marks = {});

/// All that `generators` compose to, the identity first; empty if that is more than `most`.
std::vector<Automorphism> group_of(const Topology& topology, std::span<const Automorphism> generators, std::size_t most);

/// Automorphisms that join GPUs into few orbits, found like those of `symmetry_group`, whose elements take memory by the square of the GPUs. Those
/// without marks are the machine's: `topology.symmetries()`.
std::vector<Automorphism> symmetry_generators(const Topology& topology, std::span<const std::int64_t> marks);

/// The number of the orbit of each of `count` things that `images[g][i]` permutes; orbits count from 0 in order of their first member.
std::vector<int> orbits(std::size_t count, const std::vector<const std::vector<std::int32_t>*>& images);

/// The orbit of each of the machine's limits (Topology::limits) under a group, counting from 0 in order of their first member.
std::vector<int> limit_orbits(const Topology& topology, std::span<const Automorphism> group);

}  // namespace p2plab
