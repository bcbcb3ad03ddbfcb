// SPDX-License-Identifier: Apache-2.0
// State: partial trees with multiplicities, and what is left of each capacity. An edge x -> y may be added to `m` copies of a tree as long as every
// set of vertices can still be entered once for each tree that is wholly outside it (Edmonds); a maximum flow gives the largest such m
// (Berczi and Frank). All trees grow together, level by level: edges from low vertices are tried first, so trees stay low.
#include "forest/cuts/edge_disjoint_packing.h"

#include <algorithm>
#include <map>

#include "p2plab/base/result.h"
#include "p2plab/detail/max_flow.h"

namespace p2plab {

namespace {

// A set of vertices, one bit each.
using VertexSet = std::vector<std::uint64_t>;

bool holds(const VertexSet& set, int vertex) { return (set[static_cast<std::size_t>(vertex) / 64] >> (vertex % 64) & 1) != 0; }
void insert(VertexSet& set, int vertex) { set[static_cast<std::size_t>(vertex) / 64] |= std::uint64_t{1} << (vertex % 64); }
bool meet(const VertexSet& a, const VertexSet& b) {
  for (std::size_t w = 0; w < a.size(); ++w) {
    if ((a[w] & b[w]) != 0) return true;
  }
  return false;
}

struct Partial {
  VertexSet set;
  int root = 0;
  std::int64_t count = 0;
  std::vector<int> depth;  // by vertex; -1 if not in the tree
  std::vector<std::pair<int, int>> edges;
};

class DisjointPacker {
 public:
  explicit DisjointPacker(const ForestProblem& problem)
      : problem_(problem), vertices_(static_cast<std::size_t>(problem.vertices)), left_(vertices_ * vertices_), next_(vertices_) {
    for (const auto& arc : problem.arcs) {
      if (arc.capacity == 0) continue;  // else a pair with two arcs would stand twice in `next_`
      auto& left = left_[place(arc.from, arc.to)];
      if (left == 0) next_[static_cast<std::size_t>(arc.from)].push_back(arc.to);
      left += arc.capacity;
    }
    is_terminal_.assign(vertices_, false);
    for (const auto t : problem.terminals) is_terminal_[static_cast<std::size_t>(t)] = true;
    for (int v = 0; v < problem.vertices; ++v) {
      const auto count = problem.trees[static_cast<std::size_t>(v)];
      if (count == 0) continue;
      Partial tree{VertexSet((vertices_ + 63) / 64), v, count, std::vector<int>(vertices_, -1), {}};
      insert(tree.set, v);
      copies_[tree.set] += count;
      open_copies_ += count;
      tree.depth[static_cast<std::size_t>(v)] = 0;
      open_.push_back(std::move(tree));
    }
  }

  std::vector<Partial> run() {
    close();
    for (int level = 0; !open_.empty(); ++level) {
      expects(level <= problem_.vertices);
      grow(level);
    }
    return std::move(done_);
  }

 private:
  std::size_t place(int from, int to) const { return static_cast<std::size_t>(from) * vertices_ + static_cast<std::size_t>(to); }

  // Adds all edges that fit from vertices at depth `level`, tree by tree. Copies that are split off come later in the list.
  void grow(int level) {
    for (std::size_t i = 0; i < open_.size(); ++i) {
      for (std::size_t v = 0; v < vertices_; ++v) {
        // Trees start at different vertices, so that they do not all ask for the same edges first.
        const auto x = static_cast<int>((v + static_cast<std::size_t>(open_[i].root)) % vertices_);
        if (open_[i].depth[static_cast<std::size_t>(x)] != level) continue;
        for (const auto y : next_[static_cast<std::size_t>(x)]) {
          if (open_[i].depth[static_cast<std::size_t>(y)] < 0 && left_[place(x, y)] > 0) add(i, x, y);
        }
      }
    }
    close();
  }

  // Is the edge barred by a set that other trees need all entries of? Such a set stays tight: what enters it and what must enter it fall together.
  bool barred(const Partial& tree, int x, int y) const {
    return std::ranges::any_of(tight_, [&](const VertexSet& set) { return holds(set, y) && !holds(set, x) && meet(set, tree.set); });
  }

  void add(std::size_t which, int x, int y) {
    const auto most = std::min(left_[place(x, y)], open_[which].count);
    if (barred(open_[which], x, y)) return;
    const auto count = std::min(most, room(which, x, y, most));
    if (count <= 0) return;
    if (count < open_[which].count) {
      auto rest = open_[which];
      rest.count -= count;
      open_[which].count = count;
      open_.push_back(std::move(rest));
    }
    auto& tree = open_[which];
    if (const auto found = copies_.find(tree.set); (found->second -= count) == 0) copies_.erase(found);
    insert(tree.set, y);
    copies_[tree.set] += count;
    tree.depth[static_cast<std::size_t>(y)] = tree.depth[static_cast<std::size_t>(x)] + 1;
    tree.edges.emplace_back(x, y);
    left_[place(x, y)] -= count;
  }

  // How many copies of a tree can take the edge without leaving another tree, or the rest of this one, no way to finish.
  std::int64_t room(std::size_t which, int x, int y, std::int64_t most) {
    const auto& tree = open_[which];
    const auto sum = open_copies_ - tree.count;
    MaxFlow<std::int64_t> flow(problem_.vertices + static_cast<int>(copies_.size()));
    for (std::size_t u = 0; u < vertices_; ++u) {
      for (const auto to : next_[u]) {
        if (const auto capacity = left_[u * vertices_ + static_cast<std::size_t>(to)]; capacity > 0) flow.add_arc(static_cast<int>(u), to, capacity);
      }
    }
    int node = problem_.vertices;
    for (const auto& [set, all] : copies_) {
      const auto count = all - (set == tree.set ? tree.count : 0);
      if (count == 0) continue;
      flow.add_arc(x, node, count);
      for (int v = 0; v < problem_.vertices; ++v) {
        if (holds(set, v)) flow.add_arc(node, v, count);
      }
      ++node;
    }
    const auto room = flow.run(x, y, sum + most) - sum;
    if (room >= most) return room;
    VertexSet set(tree.set.size());
    for (int v = 0; v < problem_.vertices; ++v) {
      if (!flow.on_source_side(v) && is_terminal_[static_cast<std::size_t>(v)]) insert(set, v);
    }
    tight_.push_back(std::move(set));
    return room;
  }

  void close() {
    const auto complete = [&](const Partial& tree) {
      return std::ranges::all_of(problem_.terminals, [&](int t) { return tree.depth[static_cast<std::size_t>(t)] >= 0; });
    };
    for (auto& tree : open_) {
      if (!complete(tree)) continue;
      if (const auto found = copies_.find(tree.set); (found->second -= tree.count) == 0) copies_.erase(found);
      open_copies_ -= tree.count;
      done_.push_back(tree);
    }
    std::erase_if(open_, complete);
  }

  const ForestProblem& problem_;
  std::size_t vertices_;
  std::vector<std::int64_t> left_;  // capacity not yet used, by pair
  std::vector<std::vector<int>> next_;
  std::vector<bool> is_terminal_;
  std::vector<VertexSet> tight_;
  std::map<VertexSet, std::int64_t> copies_;  // trees over the same vertices count together
  std::int64_t open_copies_ = 0;
  std::vector<Partial> open_;
  std::vector<Partial> done_;
};

// Gives every edge of a tree a physical path. Where no one path is free for all copies, the copies part.
class PathChoice {
 public:
  explicit PathChoice(const ForestProblem& problem) : problem_(problem) {
    for (std::size_t a = 0; a < problem.arcs.size(); ++a) {
      free_.push_back(problem.arcs[a].capacity);
      by_pair_[{problem.arcs[a].from, problem.arcs[a].to}].push_back(a);
    }
  }

  void place(const Partial& tree, TreeList& list) {
    for (auto left = tree.count; left > 0;) {
      auto count = left;
      std::vector<std::size_t> chosen;
      for (const auto& edge : tree.edges) {
        const auto& bundles = by_pair_.at(edge);
        const auto best = *std::ranges::max_element(bundles, {}, [&](std::size_t a) { return free_[a]; });
        count = std::min(count, free_[best]);
        chosen.push_back(best);
      }
      expects(count > 0);
      ForestTree placed{tree.root, count, {}};
      for (std::size_t e = 0; e < chosen.size(); ++e) {
        free_[chosen[e]] -= count;
        placed.edges.push_back({tree.edges[e].first, tree.edges[e].second, list.paths.add(problem_.arcs[chosen[e]].path)});
      }
      list.trees.push_back(std::move(placed));
      left -= count;
    }
  }

 private:
  const ForestProblem& problem_;
  std::vector<std::int64_t> free_;
  std::map<std::pair<int, int>, std::vector<std::size_t>> by_pair_;
};

}  // namespace

TreeList pack_trees(const ForestProblem& problem) {
  PathChoice paths(problem);
  TreeList list;
  for (const auto& tree : DisjointPacker{problem}.run()) paths.place(tree, list);
  return list;
}

}  // namespace p2plab
