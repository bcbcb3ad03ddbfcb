// SPDX-License-Identifier: Apache-2.0
#include "forest/lp/steiner_trees.h"

#include <algorithm>

#include "p2plab/detail/arborescence.h"

namespace p2plab {

namespace {

constexpr int most_exchanges = 4;

enum class Part { outside, tree, detached };

class SteinerTree {
 public:
  SteinerTree(const HeightLimitedTrees& trees, const std::vector<bool>& needed, int root, int most_height)
      : trees_(trees),
        needed_(needed),
        root_(root),
        n_(static_cast<std::size_t>(trees.size())),
        most_height_(most_height),
        part_(n_, Part::outside),
        parents_(n_, -1),
        depth_(n_) {
    part_[at(root)] = Part::tree;
  }

  // False if something needed cannot be reached.
  bool grow() {
    while (true) {
      bool complete = true;
      find_extensions();
      Extension best;
      for (std::size_t v = 0; v < n_; ++v) {
        if (!needed_[v] || part_[v] == Part::tree) continue;
        complete = false;
        best = std::min(best, extension_to(static_cast<int>(v), most_height_));
      }
      if (complete) return true;
      if (best.cost >= never) return false;
      lay(best);
    }
  }

  // Takes each needed terminal's way from the tree away and lays the cheapest one, while that saves anything.
  void exchange() {
    bool changed = true;
    for (int pass = 0; changed && pass < most_exchanges; ++pass) {
      changed = false;
      for (std::size_t v = 0; v < n_; ++v) {
        if (needed_[v] && static_cast<int>(v) != root_) changed = exchange(static_cast<int>(v)) || changed;
      }
    }
  }

  HeightLimitedTrees::Tree tree() const {
    HeightLimitedTrees::Tree tree{parents_, {}, 0, 0};
    for (int level = 0; level <= most_height_; ++level) {
      for (std::size_t v = 0; v < n_; ++v) {
        if (part_[v] != Part::tree || depth_[v] != level) continue;
        tree.order.push_back(static_cast<int>(v));
        tree.height = level;
        if (parents_[v] >= 0) tree.cost += trees_.hop(parents_[v], static_cast<int>(v));
      }
    }
    return tree;
  }

 private:
  struct Extension {
    double cost = never;
    int depth = 0;
    int to = -1;
    friend auto operator<=>(const Extension&, const Extension&) = default;
  };

  static std::size_t at(int v) { return static_cast<std::size_t>(v); }
  std::size_t label(int depth, std::size_t v) const { return at(depth) * n_ + v; }

  // The cheapest ways out of the tree, by the depth at which they end.
  void find_extensions() {
    cost_.assign(n_ * (at(most_height_) + 1), never);
    from_.assign(cost_.size(), -1);
    for (std::size_t v = 0; v < n_; ++v) {
      if (part_[v] == Part::tree && depth_[v] <= most_height_) cost_[label(depth_[v], v)] = 0;
    }
    for (int d = 0; d < most_height_; ++d) {
      for (std::size_t u = 0; u < n_; ++u) {
        const auto paid = cost_[label(d, u)];
        if (paid >= never || part_[u] == Part::detached) continue;
        for (std::size_t v = 0; v < n_; ++v) {
          const auto there = paid + trees_.hop(static_cast<int>(u), static_cast<int>(v));
          if (part_[v] == Part::tree || v == u || there >= cost_[label(d + 1, v)]) continue;
          cost_[label(d + 1, v)] = there;
          from_[label(d + 1, v)] = static_cast<int>(u);
        }
      }
    }
  }

  Extension extension_to(int v, int deepest) const {
    Extension best;
    for (int d = 1; d <= deepest; ++d) best = std::min(best, Extension{cost_[label(d, at(v))], d, v});
    return best;
  }

  void lay(const Extension& extension) {
    auto v = extension.to;
    for (int d = extension.depth; part_[at(v)] != Part::tree; --d) {
      part_[at(v)] = Part::tree;
      depth_[at(v)] = d;
      parents_[at(v)] = from_[label(d, at(v))];
      v = parents_[at(v)];
    }
  }

  bool exchange(int v) {
    std::vector<int> below{v};
    for (std::size_t i = 0; i < below.size(); ++i) {
      for (std::size_t u = 0; u < n_; ++u) {
        if (part_[u] == Part::tree && parents_[u] == below[i]) below.push_back(static_cast<int>(u));
      }
    }
    const int height = depth_[at(below.back())] - depth_[at(v)];
    for (const auto u : below) part_[at(u)] = Part::detached;
    auto paid = trees_.hop(parents_[at(v)], v);
    auto top = parents_[at(v)];
    std::vector<std::pair<int, int>> taken{{v, top}};
    while (!needed_[at(top)] && top != root_ && !has_child(top)) {
      part_[at(top)] = Part::outside;
      const auto next = parents_[at(top)];
      paid += trees_.hop(next, top);
      taken.emplace_back(top, next);
      parents_[at(top)] = -1;
      top = next;
    }
    find_extensions();
    const auto best = extension_to(v, most_height_ - height);
    const bool better = best.cost < paid * (1 - 1e-9);
    const int moved = better ? best.depth - depth_[at(v)] : 0;
    part_[at(v)] = Part::outside;
    if (better) {
      lay(best);
    } else {
      for (const auto& [vertex, parent] : taken) {
        part_[at(vertex)] = Part::tree;
        parents_[at(vertex)] = parent;
      }
    }
    for (const auto u : below) {
      if (u != v) depth_[at(u)] += moved;
      part_[at(u)] = Part::tree;
    }
    return better;
  }

  bool has_child(int v) const {
    for (std::size_t u = 0; u < n_; ++u) {
      if (part_[u] == Part::tree && parents_[u] == v) return true;
    }
    return false;
  }

  const HeightLimitedTrees& trees_;
  const std::vector<bool>& needed_;
  int root_;
  std::size_t n_;
  int most_height_;
  std::vector<Part> part_;
  std::vector<int> parents_;
  std::vector<int> depth_;
  std::vector<double> cost_;  // by depth, position
  std::vector<int> from_;
};

}  // namespace

std::optional<HeightLimitedTrees::Tree> cheapest_through(const HeightLimitedTrees& trees, const std::vector<bool>& needed, int root,
                                                         int most_height) {
  SteinerTree tree(trees, needed, root, most_height);
  if (!tree.grow()) return std::nullopt;
  tree.exchange();
  return tree.tree();
}

int hops_to_needed(const HeightLimitedTrees& trees, const std::vector<bool>& needed, int root) {
  std::vector<int> depth(needed.size(), -1);
  depth[static_cast<std::size_t>(root)] = 0;
  std::vector<int> queue{root};
  int most = 0;
  for (std::size_t i = 0; i < queue.size(); ++i) {
    const auto at = static_cast<std::size_t>(queue[i]);
    if (needed[at]) most = std::max(most, depth[at]);
    for (std::size_t v = 0; v < needed.size(); ++v) {
      if (depth[v] >= 0 || trees.hop(queue[i], static_cast<int>(v)) >= never) continue;
      depth[v] = depth[at] + 1;
      queue.push_back(static_cast<int>(v));
    }
  }
  for (std::size_t v = 0; v < needed.size(); ++v) {
    if (needed[v] && depth[v] < 0) return -1;
  }
  return most;
}

}  // namespace p2plab
