// SPDX-License-Identifier: Apache-2.0
// A machine without some of its links and GPUs: what broke, or what a job was not given.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab {

/// A connection that is gone, wholly or in part. Without `fraction` and `bandwidth` all links between the two nodes go; with one of them only
/// that share, or that much, of their bandwidth: of two NVLinks with 50 GB/s in all, one lost is `fraction` 0.5 or `bandwidth` 25 GB/s.
struct LostLink {
  std::string from;
  std::string to;
  bool both_directions = true;
  std::optional<double> fraction = std::nullopt;
  std::optional<Bandwidth> bandwidth = std::nullopt;
};

/// What is missing, by the names of nodes.
struct Mask {
  std::vector<LostLink> links = {};
  std::vector<std::string> gpus = {};
};

/// `topology` without what `mask` names. The other nodes keep their names and order, so the ranks of the remaining GPUs close up. Parallel links lose
/// bandwidth from the last one on; groups lose the links that are gone, and go when none is left. Two nodes joined by an NVSwitch only lose their
/// way through it: the switch is then written out as the pairs that it joins, with its links' bandwidths as shared budgets. Errors, all in one: an
/// unknown name (with the nearest known one), a name that is not a gpu's, nodes that are not linked directly (says what they are linked to), a share
/// that is not above 0 and at most 1 or more bandwidth than is there, no gpu left.
Result<Topology> apply_mask(const Topology& topology, const Mask& mask);

/// `topology` with only these GPUs, each given once, in the topology's order; all other nodes stay.
Result<Topology> keep_gpus(const Topology& topology, const std::vector<Rank>& gpus);

}  // namespace p2plab
