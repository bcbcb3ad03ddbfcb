// SPDX-License-Identifier: Apache-2.0
// What a tree costs at least, in whole numbers, by dual ascent: R. T. Wong, A dual ascent approach for Steiner tree problems on a directed graph,
// Mathematical Programming 28 (1984); where nothing is left out it is Edmonds' optimum. It shares no code with the search that found the prices.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace p2plab::bounds {

/// Costs of arcs between n vertices, `costs[u * n + v]`; `no_arc` where there is none.
inline constexpr std::int64_t no_arc = INT64_MAX;

/// No out-tree from `root` that reaches all `terminals` costs less; with every vertex a terminal (the root or not) some tree costs just that. None if
/// the root does not reach them. Time: n^2 for each arc that becomes free.
std::optional<std::int64_t> least_tree_cost(std::size_t n, std::size_t root, std::span<const std::size_t> terminals, std::vector<std::int64_t> costs);

}  // namespace p2plab::bounds
