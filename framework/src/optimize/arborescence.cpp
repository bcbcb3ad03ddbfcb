// SPDX-License-Identifier: Apache-2.0
#include "p2plab/detail/arborescence.h"

#include <limits>

namespace p2plab {

namespace {

// The cheapest way into each vertex.
std::vector<int> cheapest_ways_in(std::size_t n, std::size_t root, std::span<const double> costs) {
  std::vector<int> best(n, -1);
  std::vector<double> least(n, never);
  for (std::size_t u = 0; u < n; ++u) {
    for (std::size_t v = 0; v < n; ++v) {
      if (v == root || u == v || costs[u * n + v] >= least[v]) continue;
      least[v] = costs[u * n + v];
      best[v] = static_cast<int>(u);
    }
  }
  return best;
}

// Numbers the cycles of the ways in and all other vertices; true if there is a cycle.
bool number_cycles(const std::vector<int>& parents, std::vector<int>& part, std::vector<bool>& in_cycle, int& parts) {
  const auto n = parents.size();
  std::vector<int> seen(n, -1);
  part.assign(n, -1);
  in_cycle.assign(n, false);
  parts = 0;
  for (std::size_t start = 0; start < n; ++start) {
    auto v = static_cast<int>(start);
    while (v >= 0 && seen[static_cast<std::size_t>(v)] < 0) {
      seen[static_cast<std::size_t>(v)] = static_cast<int>(start);
      v = parents[static_cast<std::size_t>(v)];
    }
    if (v < 0 || seen[static_cast<std::size_t>(v)] != static_cast<int>(start) || part[static_cast<std::size_t>(v)] >= 0) continue;
    for (auto w = v; part[static_cast<std::size_t>(w)] < 0; w = parents[static_cast<std::size_t>(w)]) {
      part[static_cast<std::size_t>(w)] = parts;
      in_cycle[static_cast<std::size_t>(w)] = true;
    }
    ++parts;
  }
  const bool any = parts > 0;
  for (auto& p : part) {
    if (p < 0) p = parts++;
  }
  return any;
}

}  // namespace

std::vector<int> cheapest_arborescence(int vertices, int root, std::span<const double> costs) {
  const auto n = static_cast<std::size_t>(vertices);
  auto best = cheapest_ways_in(n, static_cast<std::size_t>(root), costs);
  for (std::size_t v = 0; v < n; ++v) {
    if (best[v] < 0 && v != static_cast<std::size_t>(root)) return {};
  }
  std::vector<int> part;
  std::vector<bool> in_cycle;
  int parts = 0;
  if (!number_cycles(best, part, in_cycle, parts)) return best;
  // Each cycle becomes one vertex; entering it costs what the way in costs more than the one it replaces.
  const auto m = static_cast<std::size_t>(parts);
  std::vector<double> contracted(m * m, never);
  std::vector<std::pair<int, int>> edge(m * m);
  for (std::size_t u = 0; u < n; ++u) {
    for (std::size_t v = 0; v < n; ++v) {
      if (part[u] == part[v] || costs[u * n + v] == never) continue;
      const auto cost = costs[u * n + v] - (in_cycle[v] ? costs[static_cast<std::size_t>(best[v]) * n + v] : 0);
      const auto place = static_cast<std::size_t>(part[u]) * m + static_cast<std::size_t>(part[v]);
      if (cost >= contracted[place]) continue;
      contracted[place] = cost;
      edge[place] = {static_cast<int>(u), static_cast<int>(v)};
    }
  }
  const auto parents = cheapest_arborescence(parts, part[static_cast<std::size_t>(root)], contracted);
  if (parents.empty()) return {};
  for (std::size_t p = 0; p < m; ++p) {
    if (parents[p] < 0) continue;
    const auto& [from, to] = edge[static_cast<std::size_t>(parents[p]) * m + p];
    best[static_cast<std::size_t>(to)] = from;
  }
  return best;
}

}  // namespace p2plab
