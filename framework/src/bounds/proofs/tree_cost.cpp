// SPDX-License-Identifier: Apache-2.0
#include "bounds/proofs/tree_cost.h"

#include <algorithm>

namespace p2plab::bounds {

namespace {

// Those that reach `to` over arcs that cost nothing any more.
std::vector<bool> reaching(std::size_t n, std::size_t to, const std::vector<std::int64_t>& costs) {
  std::vector<bool> in(n);
  std::vector<std::size_t> open{to};
  in[to] = true;
  while (!open.empty()) {
    const auto v = open.back();
    open.pop_back();
    for (std::size_t u = 0; u < n; ++u) {
      if (in[u] || costs[u * n + v] != 0) continue;
      in[u] = true;
      open.push_back(u);
    }
  }
  return in;
}

// Takes the cheapest way into the set off all ways into it: any tree must pay that once. No value: there is none.
std::optional<std::int64_t> pay_to_enter(std::size_t n, const std::vector<bool>& in, std::vector<std::int64_t>& costs) {
  auto least = no_arc;
  for (std::size_t u = 0; u < n; ++u) {
    for (std::size_t v = 0; v < n; ++v) {
      if (!in[u] && in[v]) least = std::min(least, costs[u * n + v]);
    }
  }
  if (least == no_arc) return std::nullopt;
  for (std::size_t u = 0; u < n; ++u) {
    for (std::size_t v = 0; v < n; ++v) {
      if (!in[u] && in[v] && costs[u * n + v] != no_arc) costs[u * n + v] -= least;
    }
  }
  return least;
}

}  // namespace

std::optional<std::int64_t> least_tree_cost(std::size_t n, std::size_t root, std::span<const std::size_t> terminals,
                                            std::vector<std::int64_t> costs) {
  std::int64_t sum = 0;
  for (auto open = std::vector<std::size_t>(terminals.begin(), terminals.end()); !open.empty();) {
    // The set of fewest vertices holds no smaller one, so what it pays is paid for no other terminal.
    auto terminal = open.back();
    auto in = reaching(n, terminal, costs);
    if (in[root]) {
      open.pop_back();
      continue;
    }
    for (bool smaller = true; smaller;) {
      smaller = false;
      for (const auto other : open) {
        if (!in[other] || other == terminal) continue;
        auto of_other = reaching(n, other, costs);
        if (std::ranges::count(of_other, true) >= std::ranges::count(in, true)) continue;
        in = std::move(of_other);
        terminal = other;
        smaller = true;
        break;
      }
    }
    const auto paid = pay_to_enter(n, in, costs);
    if (!paid) return std::nullopt;
    sum += *paid;
  }
  return sum;
}

}  // namespace p2plab::bounds
