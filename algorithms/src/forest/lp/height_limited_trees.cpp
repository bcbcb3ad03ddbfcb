// SPDX-License-Identifier: Apache-2.0
#include "forest/lp/height_limited_trees.h"

#include <algorithm>
#include <numeric>

#include "p2plab/detail/arborescence.h"

namespace p2plab {

namespace {

constexpr int most_passes = 6;
constexpr int quick_size = 128;  // terminals up to which all ways to a tree are tried each time

}  // namespace

HeightLimitedTrees::HeightLimitedTrees(const Topology& topology, std::vector<int> terminals, TreeDirection direction,
                                       const std::vector<Automorphism>& group)
    : topology_(topology),
      terminals_(std::move(terminals)),
      direction_(direction),
      group_(group),
      position_(topology.nodes().size(), -1),
      representative_(terminals_.size(), -1),
      element_(terminals_.size(), 0),
      may_refuse_(topology.nodes().size()),
      last_step_(terminals_.size()) {
  for (std::size_t n = 0; n < may_refuse_.size(); ++n) {
    const auto kind = topology.nodes()[n].kind;
    may_refuse_[n] = kind != NodeKind::gpu && kind != NodeKind::network_switch;
  }
  for (std::size_t i = 0; i < terminals_.size(); ++i) position_[static_cast<std::size_t>(terminals_[i])] = static_cast<int>(i);
  for (std::size_t i = 0; i < terminals_.size(); ++i) {
    if (representative_[i] >= 0) continue;
    for (std::size_t g = 0; g < group.size(); ++g) {
      const auto image = static_cast<std::size_t>(position_[static_cast<std::size_t>(group[g].nodes[static_cast<std::size_t>(terminals_[i])])]);
      if (representative_[image] >= 0) continue;
      representative_[image] = static_cast<int>(i);
      element_[image] = static_cast<int>(g);
    }
  }
  for (const auto& element : group) {
    std::vector<int> back(element.nodes.size());
    for (std::size_t v = 0; v < back.size(); ++v) back[static_cast<std::size_t>(element.nodes[v])] = static_cast<int>(v);
    back_.push_back(std::move(back));
  }
}

int HeightLimitedTrees::least_height(int root) const {
  const auto tree = by_level(root, size());
  return tree ? tree->height : -1;
}

std::optional<HeightLimitedTrees::Tree> HeightLimitedTrees::cheapest(int root, int most_height, double good) const {
  auto best = by_level(root, most_height);
  if (!best) return std::nullopt;
  improve(*best, most_height);
  const auto consider = [&](std::optional<Tree> other) {
    if (!other) return;
    improve(*other, most_height);
    if (other->cost < best->cost) best = std::move(other);
  };
  consider(by_cost(root, most_height));
  if (best->cost >= good || size() <= quick_size) consider(by_lowering(root, most_height));
  return best;
}

// The cheapest tree of any height; then nodes below the height limit are re-attached, at the least cost for each move.
std::optional<HeightLimitedTrees::Tree> HeightLimitedTrees::by_lowering(int root, int most_height) const {
  const auto n = terminals_.size();
  Tree tree{cheapest_arborescence(size(), root, hops_), {}, 0, 0};
  if (tree.parents.size() != n) return std::nullopt;
  std::vector<int> depth;
  std::vector<int> below;
  measure(tree, depth, below);
  for (std::size_t moves = 0; tree.height > most_height; ++moves) {
    if (moves == 4 * n) return std::nullopt;
    // The path to a deepest vertex: one of its vertices must hang higher.
    auto v = *std::ranges::max_element(tree.order, {}, [&](int u) { return depth[static_cast<std::size_t>(u)]; });
    double least = never;
    std::pair<int, int> move{-1, -1};
    for (; tree.parents[static_cast<std::size_t>(v)] >= 0; v = tree.parents[static_cast<std::size_t>(v)]) {
      const auto place = static_cast<std::size_t>(v);
      const auto* costs = into(place);
      const auto paid = hop(tree.parents[place], v);
      for (std::size_t u = 0; u < n; ++u) {
        if (depth[u] + 1 >= depth[place] || depth[u] + 1 + below[place] > std::max(most_height, tree.height - 1)) continue;
        const auto cost = costs[u] - paid;
        if (cost >= least) continue;
        least = cost;
        move = {v, static_cast<int>(u)};
      }
    }
    if (move.first < 0) return std::nullopt;
    tree.parents[static_cast<std::size_t>(move.first)] = move.second;
    measure(tree, depth, below);
  }
  return tree;
}

// Prim's way: always the cheapest hop from a terminal that is not too deep, from the highest of several.
std::optional<HeightLimitedTrees::Tree> HeightLimitedTrees::by_cost(int root, int most_height) const {
  const auto n = terminals_.size();
  Tree tree{std::vector<int>(n, -1), {}, 0, 0};
  std::vector<std::pair<double, int>> key(n, {never, 0});  // cost and depth of the best hop
  std::vector<int> depth(n, -1);
  key[static_cast<std::size_t>(root)] = {0, 0};
  for (std::size_t step = 0; step < n; ++step) {
    std::size_t next = n;
    for (std::size_t v = 0; v < n; ++v) {
      if (depth[v] < 0 && key[v].first < never && (next == n || key[v] < key[next])) next = v;
    }
    if (next == n) return std::nullopt;
    depth[next] = key[next].second;
    tree.order.push_back(static_cast<int>(next));
    if (depth[next] == most_height) continue;
    for (std::size_t v = 0; v < n; ++v) {
      const std::pair offer{hop(static_cast<int>(next), static_cast<int>(v)), depth[next] + 1};
      if (depth[v] >= 0 || offer >= key[v]) continue;
      key[v] = offer;
      tree.parents[v] = static_cast<int>(next);
    }
  }
  return tree;
}

// Level by level, each terminal as high as can be and there by the cheapest hop.
std::optional<HeightLimitedTrees::Tree> HeightLimitedTrees::by_level(int root, int most_height) const {
  const auto n = terminals_.size();
  Tree tree{std::vector<int>(n, -1), {root}, 0, 0};
  std::vector<bool> done(n);
  done[static_cast<std::size_t>(root)] = true;
  std::size_t first = 0;
  for (; tree.order.size() < n && tree.height < most_height; ++tree.height) {
    const auto last = tree.order.size();
    for (std::size_t v = 0; v < n; ++v) {
      if (done[v]) continue;
      const auto* costs = into(v);
      double best = never;
      for (auto i = first; i < last; ++i) {
        const auto cost = costs[static_cast<std::size_t>(tree.order[i])];
        if (cost >= best) continue;
        best = cost;
        tree.parents[v] = tree.order[i];
      }
      if (best < never) tree.order.push_back(static_cast<int>(v));
    }
    if (tree.order.size() == last) return std::nullopt;
    for (auto i = last; i < tree.order.size(); ++i) done[static_cast<std::size_t>(tree.order[i])] = true;
    first = last;
  }
  return tree.order.size() == n ? std::optional{std::move(tree)} : std::nullopt;
}

// Depths, heights of subtrees, cost and order of a tree that parents describe.
bool HeightLimitedTrees::measure(Tree& tree, std::vector<int>& depth, std::vector<int>& below) const {
  const auto n = terminals_.size();
  std::vector<std::size_t> starts(n + 1);
  for (const auto parent : tree.parents) {
    if (parent >= 0) ++starts[static_cast<std::size_t>(parent) + 1];
  }
  std::partial_sum(starts.begin(), starts.end(), starts.begin());
  std::vector<int> children(n);
  auto next = starts;
  int root = 0;
  for (std::size_t v = 0; v < n; ++v) {
    if (tree.parents[v] < 0) {
      root = static_cast<int>(v);
    } else {
      children[next[static_cast<std::size_t>(tree.parents[v])]++] = static_cast<int>(v);
    }
  }
  tree.order.assign(1, root);
  tree.cost = 0;
  depth.assign(n, 0);
  below.assign(n, 0);
  for (std::size_t i = 0; i < tree.order.size(); ++i) {
    const auto v = static_cast<std::size_t>(tree.order[i]);
    for (auto c = starts[v]; c < starts[v + 1]; ++c) {
      const auto child = children[c];
      depth[static_cast<std::size_t>(child)] = depth[v] + 1;
      tree.cost += hop(static_cast<int>(v), child);
      tree.order.push_back(child);
    }
  }
  for (auto i = tree.order.size(); i-- > 1;) {
    const auto v = static_cast<std::size_t>(tree.order[i]);
    auto& above = below[static_cast<std::size_t>(tree.parents[v])];
    above = std::max(above, below[v] + 1);
  }
  tree.height = below[static_cast<std::size_t>(root)];
  return tree.order.size() == n;
}

// Moves subtrees to cheaper parents while there are any.
void HeightLimitedTrees::improve(Tree& tree, int most_height) const {
  const auto n = terminals_.size();
  std::vector<int> depth;
  std::vector<int> below;
  measure(tree, depth, below);
  bool changed = true;
  for (int pass = 0; changed && pass < most_passes; ++pass) {
    changed = false;
    for (std::size_t v = 0; v < n; ++v) {
      if (tree.parents[v] < 0) continue;
      const auto* costs = into(v);
      double best = hop(tree.parents[v], static_cast<int>(v)) * (1 - 1e-9);
      int parent = -1;
      for (std::size_t u = 0; u < n; ++u) {
        const auto cost = costs[u];
        if (cost >= best || depth[u] + 1 + below[v] > most_height) continue;
        auto above = static_cast<int>(u);
        while (above >= 0 && above != static_cast<int>(v)) above = tree.parents[static_cast<std::size_t>(above)];
        if (above >= 0) continue;  // would cut itself off
        best = cost;
        parent = static_cast<int>(u);
      }
      if (parent < 0) continue;
      tree.parents[v] = parent;
      measure(tree, depth, below);
      changed = true;
    }
  }
}

}  // namespace p2plab
