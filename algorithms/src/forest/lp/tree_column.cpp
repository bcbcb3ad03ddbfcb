// SPDX-License-Identifier: Apache-2.0
#include "forest/lp/tree_column.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "p2plab/detail/rational.h"

namespace p2plab {

namespace {

void note_uses(TreeColumn& column, const std::vector<int>& uses) {
  for (std::size_t o = 0; o < uses.size(); ++o) {
    if (uses[o] > 0) column.uses.emplace_back(static_cast<int>(o), uses[o]);
  }
}

}  // namespace

TreeColumn column_of(const HeightLimitedTrees& grower, const HeightLimitedTrees::Tree& tree, const OrbitCapacities& capacities) {
  TreeColumn column;
  column.root = tree.order.front();
  column.height = tree.height;
  std::vector<int> uses(capacities.size());
  std::vector<int> path;
  for (std::size_t i = 1; i < tree.order.size(); ++i) {
    const auto to = tree.order[i];
    const auto from = tree.parents[static_cast<std::size_t>(to)];
    grower.path(from, to, path);
    for (const auto link : path) {
      for (const auto orbit : capacities.of(link)) ++uses[static_cast<std::size_t>(orbit)];
    }
    column.edges.emplace_back(from, to);
    column.links.insert(column.links.end(), path.begin(), path.end());
    column.ends.push_back(column.links.size());
  }
  note_uses(column, uses);
  return column;
}

TreeColumn column_of(const ForestTree& tree, const PathTable& paths, const std::vector<int>& position, const OrbitCapacities& capacities) {
  TreeColumn column;
  column.root = position[static_cast<std::size_t>(tree.root)];
  column.height = height(tree);
  std::vector<int> uses(capacities.size());
  for (const auto& edge : tree.edges) {
    for (const auto link : paths[edge.path]) {
      column.links.push_back(link.value);
      for (const auto orbit : capacities.of(link.value)) ++uses[static_cast<std::size_t>(orbit)];
    }
    column.edges.emplace_back(position[static_cast<std::size_t>(edge.from)], position[static_cast<std::size_t>(edge.to)]);
    column.ends.push_back(column.links.size());
  }
  note_uses(column, uses);
  return column;
}

void add_tree(const TreeColumn& column, std::int64_t count, const std::vector<int>& terminals, TreeList& list) {
  const auto node = [&](int position) { return terminals[static_cast<std::size_t>(position)]; };
  ForestTree tree{node(column.root), count, {}};
  tree.edges.reserve(column.edges.size());
  std::vector<LinkId> path;
  std::size_t first = 0;
  for (std::size_t e = 0; e < column.edges.size(); ++e) {
    path.clear();
    for (; first < column.ends[e]; ++first) path.emplace_back(column.links[first]);
    tree.edges.push_back({node(column.edges[e].first), node(column.edges[e].second), list.paths.add(path)});
  }
  list.trees.push_back(std::move(tree));
}

namespace {

// Weights of chunks are 32 bits wide; a factor for the size of orbits must still fit.
constexpr std::int64_t most_exact = 1 << 25;

// The common denominator of the weights as simple fractions; 0 if it would exceed `most`.
std::int64_t denominator_of(std::span<const double> weights, double tolerance, std::int64_t most) {
  std::int64_t common = 1;
  for (const auto weight : weights) {
    if (weight <= 0) continue;
    common = std::lcm(common, simplest_near(weight, tolerance).denominator);
    if (common > most) return 0;
  }
  return common;
}

}  // namespace

std::vector<std::int64_t> whole_weights(std::span<const double> weights, std::span<const int> lots, std::span<const double> sums, double tolerance) {
  std::vector<double> held(sums.size());
  for (std::size_t i = 0; i < weights.size(); ++i) held[static_cast<std::size_t>(lots[i])] += weights[i];
  const auto exact = denominator_of(weights, tolerance, most_exact);
  const auto unit = static_cast<double>(exact > 0 ? exact : most_exact);
  std::vector<std::int64_t> whole(weights.size());
  std::vector<std::int64_t> left(sums.size());
  for (std::size_t lot = 0; lot < sums.size(); ++lot) left[lot] = std::llround(sums[lot] * unit);
  std::vector<std::pair<double, std::size_t>> parts;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto lot = static_cast<std::size_t>(lots[i]);
    if (weights[i] <= 0 || held[lot] <= 0) continue;
    const auto wanted = weights[i] * sums[lot] / held[lot] * unit;
    whole[i] = static_cast<std::int64_t>(std::floor(wanted + 1e-4));
    left[lot] -= whole[i];
    parts.emplace_back(static_cast<double>(whole[i]) - wanted, i);
  }
  std::ranges::sort(parts);  // what lost most comes first
  for (int pass = 0; pass < 2 && !parts.empty(); ++pass) {
    for (const auto& [lost, i] : parts) {
      auto& rest = left[static_cast<std::size_t>(lots[i])];
      const auto step = rest > 0 ? 1 : (rest < 0 && whole[i] > 0 ? -1 : 0);
      whole[i] += step;
      rest -= step;
    }
  }
  return whole;
}

}  // namespace p2plab
