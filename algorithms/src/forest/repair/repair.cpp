// SPDX-License-Identifier: Apache-2.0
// One tree after the other is completed, hop by hop at the least price; the price of a link rises steeply with its load, so that the fullest link
// stays as empty as can be. Then subtrees move away from links that are too full, as long as that helps.
#include "forest/repair/repair.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <tuple>

#include "forest/loads.h"
#include "forest/lp/height_limited_trees.h"
#include "forest/repair/trees_of_plan.h"

namespace p2plab {

namespace {

constexpr double depth_price = 0.02;  // how much dearer a hop is for each level that it is lower
constexpr double least_gain = 1e-6;   // relative, of a move
constexpr int most_reliefs = 24;
constexpr std::int64_t most_lots = 1 << 25;
constexpr std::int64_t most_weight = std::int64_t{1} << 32;  // times the lots it is a count of trees

// A tree by positions of terminals.
struct Mended {
  int root = 0;
  std::int64_t count = 0;
  double weight = 0;
  std::vector<int> parent;  // -1: the root, or not joined
  std::vector<int> path;    // into each
  std::vector<int> depth;   // -1: not joined
};

class Repairer {
 public:
  Repairer(const Topology& topology, const PackingRequest& request, TreeDirection direction, const std::vector<Automorphism>& nobody,
           ForestLoads& loads)
      : request_(request), loads_(loads), hops_(topology, request.terminals, direction, nobody) {
    hops_.set_prices(loads.shares());
    std::vector<int> position(topology.nodes().size(), -1);
    for (std::size_t i = 0; i < request.terminals.size(); ++i) position[static_cast<std::size_t>(request.terminals[i])] = static_cast<int>(i);
    const auto& previous = is_inwards(direction) ? request.previous->in : request.previous->out;
    for (const auto& tree : previous.trees) take(tree, previous.paths, position);
    known_.assign(n() * n(), -1);
  }

  /// Weighs the trees; false if that is not possible.
  bool weigh() {
    if (request_.weights.empty()) {
      double all = 0;
      for (const auto& tree : trees_) all += static_cast<double>(tree.count);
      for (auto& tree : trees_) tree.weight = static_cast<double>(tree.count) / all;
    } else if (!weigh_by_root()) {
      return false;
    }
    for (const auto& tree : trees_) {
      for (std::size_t v = 0; v < n(); ++v) {
        if (tree.parent[v] >= 0) loads_.add(paths_[tree.path[v]], tree.weight);
      }
    }
    return true;
  }

  /// Joins what is cut off, one hop lower than trees are now if need be; false where that is not possible.
  bool complete() {
    for (const auto& tree : trees_) {
      most_height_ = std::max({most_height_, *std::ranges::max_element(tree.depth), hops_.least_height(tree.root)});
    }
    if (most_height_ < 1) return false;
    ++most_height_;
    return std::ranges::all_of(trees_, [&](Mended& tree) { return complete(tree); });
  }

  /// Moves subtrees away from full resources; true if something moved.
  bool relieve() {
    bool moved = false;
    for (auto& tree : trees_) {
      for (std::size_t v = 0; v < n(); ++v) {
        if (tree.parent[v] >= 0 && loads_.too_full(paths_[tree.path[v]])) moved = move(tree, static_cast<int>(v)) || moved;
      }
    }
    return moved;
  }

  /// The height of the trees.
  int write(TreeList& list) const {
    int most = 0;
    for (const auto& tree : trees_) {
      std::vector<int> order(n());
      std::iota(order.begin(), order.end(), 0);
      const auto place = [&](int v) {
        const auto parent = tree.parent[static_cast<std::size_t>(v)];
        return std::tuple{tree.depth[static_cast<std::size_t>(v)], parent, v};
      };
      std::ranges::sort(order, {}, place);
      ForestTree whole{request_.terminals[static_cast<std::size_t>(tree.root)], tree.count, {}};
      for (const auto v : order) {
        const auto at = static_cast<std::size_t>(v);
        most = std::max(most, tree.depth[at]);
        if (tree.parent[at] < 0) continue;
        const auto from = request_.terminals[static_cast<std::size_t>(tree.parent[at])];
        whole.edges.push_back({from, request_.terminals[at], list.paths.add(paths_[tree.path[at]])});
      }
      list.trees.push_back(std::move(whole));
    }
    merge_equal(list.trees);
    return most;
  }

 private:
  std::size_t n() const { return request_.terminals.size(); }

  // Nothing but a root.
  Mended bare(int root, std::int64_t count) const {
    const std::vector<int> none(n(), -1);
    Mended tree{root, count, 0, none, none, none};
    tree.depth[static_cast<std::size_t>(root)] = 0;
    return tree;
  }

  // What hangs together with the root.
  void take(const ForestTree& tree, const PathTable& paths, const std::vector<int>& position) {
    if (tree.root < 0 || position[static_cast<std::size_t>(tree.root)] < 0) return;
    auto taken = bare(position[static_cast<std::size_t>(tree.root)], tree.count);
    for (bool grown = true; grown;) {
      grown = false;
      for (const auto& edge : tree.edges) {
        const auto from = position[static_cast<std::size_t>(edge.from)];
        const auto to = position[static_cast<std::size_t>(edge.to)];
        if (from < 0 || to < 0 || taken.depth[static_cast<std::size_t>(from)] < 0 || taken.depth[static_cast<std::size_t>(to)] >= 0) continue;
        taken.depth[static_cast<std::size_t>(to)] = taken.depth[static_cast<std::size_t>(from)] + 1;
        taken.parent[static_cast<std::size_t>(to)] = from;
        taken.path[static_cast<std::size_t>(to)] = paths_.add(paths[edge.path]);
        grown = true;
      }
    }
    trees_.push_back(std::move(taken));
  }

  // Every root's trees add up to the same lots, times its weight. A root without trees gets one to be made from nothing.
  bool weigh_by_root() {
    std::vector<std::int64_t> sums(n());
    for (const auto& tree : trees_) sums[static_cast<std::size_t>(tree.root)] += tree.count;
    std::int64_t lots = 1;
    for (std::size_t i = 0; i < n(); ++i) {
      if (request_.weights[i] > 0 && sums[i] == 0) {
        trees_.push_back(bare(static_cast<int>(i), 1));
        sums[i] = 1;
      }
      if (request_.weights[i] > 0) lots = std::lcm(lots, sums[i]);
      if (lots > most_lots || request_.weights[i] > most_weight) return false;
    }
    std::erase_if(trees_, [&](const Mended& tree) { return request_.weights[static_cast<std::size_t>(tree.root)] == 0; });
    for (auto& tree : trees_) {
      const auto root = static_cast<std::size_t>(tree.root);
      tree.weight = static_cast<double>(request_.weights[root]) * static_cast<double>(tree.count) / static_cast<double>(sums[root]);
      tree.count *= lots / sums[root] * request_.weights[root];
    }
    return true;
  }

  // The machine's cheapest path for a hop; -1 if there is none.
  int path_between(int from, int to) {
    auto& known = known_[static_cast<std::size_t>(from) * n() + static_cast<std::size_t>(to)];
    if (known >= 0 || !std::isfinite(hops_.hop(from, to))) return known;
    hops_.path(from, to, links_);
    std::vector<LinkId> path;
    for (const auto link : links_) path.emplace_back(link);
    known = paths_.add(path);
    return known;
  }

  struct Offer {
    double cost = std::numeric_limits<double>::infinity();
    int parent = -1;
    int path = -1;
  };

  void consider(Offer& best, const Mended& tree, int from, int to) {
    const auto path = path_between(from, to);
    if (path < 0) return;
    const auto price = loads_.cost(paths_[path], tree.weight) * (1 + depth_price * tree.depth[static_cast<std::size_t>(from)]);
    if (price < best.cost) best = {price, from, path};
  }

  Offer best_offer(const Mended& tree, int to) {
    Offer best;
    for (std::size_t u = 0; u < n(); ++u) {
      if (tree.depth[u] >= 0 && tree.depth[u] < most_height_) consider(best, tree, static_cast<int>(u), to);
    }
    return best;
  }

  // Prim's way; loads change with each hop, so an offer is looked at again before it is taken.
  bool complete(Mended& tree) {
    std::vector<int> open;
    std::vector<Offer> offers(n());
    for (std::size_t v = 0; v < n(); ++v) {
      if (tree.depth[v] >= 0) continue;
      open.push_back(static_cast<int>(v));
      offers[v] = best_offer(tree, static_cast<int>(v));
    }
    while (!open.empty()) {
      const auto next = std::ranges::min_element(open, {}, [&](int v) { return offers[static_cast<std::size_t>(v)].cost; });
      const auto v = static_cast<std::size_t>(*next);
      const auto offered = offers[v].cost;
      offers[v] = best_offer(tree, *next);
      if (offers[v].parent < 0) return false;
      if (offers[v].cost > offered * (1 + least_gain)) continue;
      tree.parent[v] = offers[v].parent;
      tree.path[v] = offers[v].path;
      tree.depth[v] = tree.depth[static_cast<std::size_t>(offers[v].parent)] + 1;
      loads_.add(paths_[tree.path[v]], tree.weight);
      open.erase(next);
      if (tree.depth[v] == most_height_) continue;
      for (const auto u : open) consider(offers[static_cast<std::size_t>(u)], tree, static_cast<int>(v), u);
    }
    return true;
  }

  // To another parent, or along another path.
  bool move(Mended& tree, int v) {
    const auto at = static_cast<std::size_t>(v);
    const auto [below, height] = subtree(tree, v);
    loads_.add(paths_[tree.path[at]], -tree.weight);
    const auto now = loads_.cost(paths_[tree.path[at]], tree.weight) * (1 + depth_price * (tree.depth[at] - 1));
    Offer best;
    for (std::size_t u = 0; u < n(); ++u) {
      if (below[u] || tree.depth[u] < 0 || tree.depth[u] + 1 + height > most_height_) continue;
      consider(best, tree, static_cast<int>(u), v);
    }
    const bool better = best.cost < now * (1 - least_gain);
    if (better) {
      const auto lower = tree.depth[static_cast<std::size_t>(best.parent)] + 1 - tree.depth[at];
      tree.parent[at] = best.parent;
      tree.path[at] = best.path;
      for (std::size_t u = 0; u < n(); ++u) tree.depth[u] += below[u] ? lower : 0;
    }
    loads_.add(paths_[tree.path[at]], tree.weight);
    return better;
  }

  // The vertices at and below v, and the most hops from it.
  std::pair<std::vector<bool>, int> subtree(const Mended& tree, int v) const {
    std::vector<bool> below(n());
    int height = 0;
    for (std::size_t u = 0; u < n(); ++u) {
      auto above = static_cast<int>(u);
      while (above >= 0 && above != v) above = tree.parent[static_cast<std::size_t>(above)];
      below[u] = above == v;
      if (below[u]) height = std::max(height, tree.depth[u] - tree.depth[static_cast<std::size_t>(v)]);
    }
    return {std::move(below), height};
  }

  const PackingRequest& request_;
  ForestLoads& loads_;
  HeightLimitedTrees hops_;
  PathTable paths_;
  std::vector<Mended> trees_;
  std::vector<int> known_;  // by pair
  std::vector<int> links_;
  int most_height_ = 0;
};

}  // namespace

std::optional<PackedForest> repair_trees(const Topology& topology, const PackingRequest& request) {
  const auto nobody = std::vector{identity_of(topology)};
  ForestLoads loads(topology, request.target);
  std::vector<std::unique_ptr<Repairer>> repairers;
  for (const auto direction : both_directions) {
    if (request.weights.empty() || request.direction == direction)
      repairers.push_back(std::make_unique<Repairer>(topology, request, direction, nobody, loads));
  }
  for (const auto& repairer : repairers) {
    if (!repairer->weigh()) return std::nullopt;
  }
  for (const auto& repairer : repairers) {
    if (!repairer->complete()) return std::nullopt;
  }
  for (int pass = 0; pass < most_reliefs && loads.too_full() && !request.stop(); ++pass) {
    bool moved = false;
    for (const auto& repairer : repairers) moved = repairer->relieve() || moved;
    if (!moved) break;
  }
  PackedForest forest;
  for (std::size_t m = 0; m < repairers.size(); ++m) {
    const bool in = request.weights.empty() ? m == 0 : is_inwards(request.direction);
    forest.height = std::max(forest.height, repairers[m]->write(in ? forest.in : forest.out));
  }
  const auto fullest = loads.fullest();
  forest.share = fullest > 0 ? 1 / fullest : 0;
  return forest;
}

}  // namespace p2plab
