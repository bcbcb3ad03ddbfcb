// SPDX-License-Identifier: Apache-2.0
// The longest chains of steps along a tree.
#pragma once

#include <optional>
#include <span>

#include "p2plab/program/planner.h"
#include "tree/search.h"

namespace p2plab {

/// Where payloads go up, down, or both: from and to the member that is farthest from the root.
std::optional<StepChain> chain_of_root(const Tree& tree, const Topology& topology, std::span<const Rank> members, const TreeTraffic& traffic);

/// Where each member's block goes to all, or is summed from all: between the two that are farthest from each other, the mean of both directions.
std::optional<StepChain> chain_across(const Tree& tree, const Topology& topology, std::span<const Rank> members);

}  // namespace p2plab
