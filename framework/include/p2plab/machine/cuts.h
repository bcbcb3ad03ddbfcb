// SPDX-License-Identifier: Apache-2.0
// Where a machine is narrow: the bottleneck cut, what each GPU can send and receive, links that differ by direction, pairs without a route.
#pragma once

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab {

/// A set of nodes with some but not all of the GPUs, and what can leave it.
struct Cut {
  std::vector<NodeId> nodes;  // by rising id
  std::vector<Rank> inside;
  std::vector<Rank> outside;
  std::vector<LinkId> links;  // that lead out of the set
  Bandwidth capacity;         // of those links and of node limits on the way; zero if nothing can leave
};

/// The cut with the most GPUs inside per bandwidth out: it takes inside/capacity seconds to get a byte of each of them out, so no all-gather is
/// faster (Zhao et al., ForestColl: this bound is attained). Exact, by Newton's iteration over minimum cuts in whole bytes per second. GPUs may
/// relay. Node limits count; groups do not, so on a machine with groups the true bottleneck may be narrower. None for one GPU.
std::optional<Cut> bottleneck_cut(const Topology& topology);

/// The most that the GPUs `from` together can send to the GPUs `to`, which share no GPU with them and are not empty; other GPUs may relay. Groups are
/// not counted.
Bandwidth capacity_between(const Topology& topology, std::span<const Rank> from, std::span<const Rank> to);

/// What one GPU can send and receive at most: its links, node limits and the groups of its links.
struct Degree {
  Bandwidth out;
  Bandwidth in;
};

/// The degree of every rank.
std::vector<Degree> degrees(const Topology& topology);

/// Two linked nodes whose links one way do not add up to those the other way.
struct Asymmetry {
  NodeId from;
  NodeId to;
  Bandwidth forward;   // the wider direction, from -> to
  Bandwidth backward;  // zero if there is no link back
};

/// All of them, by rising `from`, then `to`.
std::vector<Asymmetry> asymmetries(const Topology& topology);

/// Ordered pairs of ranks of which the first cannot reach the second without another GPU relaying.
std::vector<std::pair<Rank, Rank>> unconnected_pairs(const Topology& topology);

}  // namespace p2plab
