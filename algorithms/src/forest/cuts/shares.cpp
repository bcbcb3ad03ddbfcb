// SPDX-License-Identifier: Apache-2.0
#include "forest/cuts/shares.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "p2plab/detail/tree_shares.h"

namespace p2plab {

namespace {

constexpr std::int64_t most_parts = 360;
constexpr double rounding = 1e-6;

bool whole(const std::vector<double>& values, double scale) {
  return std::ranges::all_of(values, [&](double v) { return std::abs(v * scale - std::round(v * scale)) < rounding; });
}

// One direction, `scale` trees per byte per second; capacities are rounded down after `slack` more.
ForestProblem problem_of(const Topology& topology, const TreeShares& shares, double scale, double slack, TreeDirection direction) {
  ForestProblem problem;
  problem.vertices = static_cast<int>(topology.nodes().size());
  const auto& rates = is_inwards(direction) ? shares.in : shares.out;
  for (std::size_t l = 0; l < rates.size(); ++l) {
    const auto& link = topology.links()[l];
    const auto capacity = static_cast<std::int64_t>(std::floor(rates[l] * scale * slack + rounding));
    if (capacity == 0) continue;
    const auto [from, to] = is_inwards(direction) ? std::pair{link.to, link.from} : std::pair{link.from, link.to};
    problem.arcs.push_back({from.value, to.value, capacity, {LinkId{static_cast<std::int64_t>(l)}}});
  }
  problem.trees.assign(static_cast<std::size_t>(problem.vertices), 0);
  for (int r = 0; r < topology.ranks(); ++r) {
    const auto node = topology.node_of(Rank{r});
    problem.trees[node.index()] = std::llround(shares.roots[static_cast<std::size_t>(r)] * scale);
    problem.terminals.push_back(node.value);
  }
  problem.machine = &topology;
  return problem;
}

ForestPair pair_of(const Topology& topology, const TreeShares& shares, std::int64_t parts, double slack) {
  const auto scale = static_cast<double>(parts) / shares.rate;
  ForestPair pair{problem_of(topology, shares, scale, slack, TreeDirection::towards_root),
                  problem_of(topology, shares, scale, slack, TreeDirection::from_root), 0, 0};
  pair.trees = pair.out.total();
  pair.seconds_per_byte = slack / shares.rate * static_cast<double>(parts) / static_cast<double>(std::max<std::int64_t>(pair.trees, 1));
  return pair;
}

// Rounding may leave a switch with more to send than it gets, which trees cannot use.
bool fits(const ForestProblem& problem) {
  std::vector<std::int64_t> surplus(static_cast<std::size_t>(problem.vertices));
  for (const auto& arc : problem.arcs) {
    surplus[static_cast<std::size_t>(arc.to)] += arc.capacity;
    surplus[static_cast<std::size_t>(arc.from)] -= arc.capacity;
  }
  for (const auto t : problem.terminals) surplus[static_cast<std::size_t>(t)] = 0;
  return problem.total() > 0 && std::ranges::none_of(surplus, [](auto s) { return s < 0; }) && feasible(problem);
}

bool fits(const ForestPair& pair) { return pair.trees > 0 && fits(pair.in) && fits(pair.out); }

}  // namespace

std::optional<ForestPair> all_reduce_problems(const Topology& topology) {
  TreeDemand demand;
  demand.hosts_copy = false;
  for (int r = 0; r < topology.ranks(); ++r) demand.receivers.push_back(topology.node_of(Rank{r}).value);
  demand.senders = demand.receivers;
  const auto shares = best_tree_shares(topology, demand);
  if (!shares || shares->rate <= 0) return std::nullopt;
  for (std::int64_t parts = 1; parts <= most_parts; ++parts) {
    const auto scale = static_cast<double>(parts) / shares->rate;
    if (!whole(shares->roots, scale)) continue;
    auto pair = pair_of(topology, *shares, parts, 1);
    if (fits(pair)) return pair;
  }
  // No small denominator: rounded roots, and as little more capacity as makes them fit.
  double low = 1;
  double high = 2;
  if (!fits(pair_of(topology, *shares, most_parts, high))) return std::nullopt;
  for (int i = 0; i < 30; ++i) (fits(pair_of(topology, *shares, most_parts, (low + high) / 2)) ? high : low) = (low + high) / 2;
  return pair_of(topology, *shares, most_parts, high);
}

std::optional<ForestShare> one_way_problem(const Topology& topology, const std::vector<std::int64_t>& weights, TreeDirection direction) {
  TreeDemand demand;
  demand.hosts_copy = false;
  auto& ends = is_inwards(direction) ? demand.senders : demand.receivers;
  for (int r = 0; r < topology.ranks(); ++r) ends.push_back(topology.node_of(Rank{r}).value);
  demand.weights = weights;
  const auto shares = best_tree_shares(topology, demand);
  if (!shares || shares->rate <= 0) return std::nullopt;
  const auto at = [&](std::int64_t parts, double slack) {
    return problem_of(topology, *shares, static_cast<double>(parts) / shares->rate, slack, direction);
  };
  for (std::int64_t parts = 1; parts <= most_parts; ++parts) {
    if (auto problem = at(parts, 1); fits(problem)) return ForestShare{std::move(problem), 1 / shares->rate};
  }
  double low = 1;
  double high = 2;
  if (!fits(at(most_parts, high))) return std::nullopt;
  for (int i = 0; i < 30; ++i) (fits(at(most_parts, (low + high) / 2)) ? high : low) = (low + high) / 2;
  return ForestShare{at(most_parts, high), high / shares->rate};
}

}  // namespace p2plab
