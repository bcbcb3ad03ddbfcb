// SPDX-License-Identifier: Apache-2.0
// Indices of different things have different types; each counts from 0.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

namespace p2plab {

/// An index that only compares and converts within its own kind.
template <class Tag>
struct Id {
  std::int32_t value = 0;
  constexpr Id() = default;
  constexpr explicit Id(std::int64_t number) : value(static_cast<std::int32_t>(number)) {}
  constexpr std::size_t index() const { return static_cast<std::size_t>(value); }
  friend constexpr auto operator<=>(Id, Id) = default;
};

/// A GPU that takes part, in the order of the topology's gpu nodes.
using Rank = Id<struct RankTag>;
using NodeId = Id<struct NodeTag>;
using LinkId = Id<struct LinkTag>;
using ChunkId = Id<struct ChunkTag>;
using StepId = Id<struct StepTag>;
/// An explicit path through the fabric that a schedule names.
using RouteId = Id<struct RouteTag>;
/// One ordered stream of instructions of one rank in a program.
using LaneId = Id<struct LaneTag>;

}  // namespace p2plab
