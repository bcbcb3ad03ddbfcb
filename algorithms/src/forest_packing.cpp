// State: partial trees with multiplicities, and what is left of each capacity. An edge x -> y may be added to `m` copies of a tree as long as every
// set of vertices can still be entered once for each tree that is wholly outside it (Edmonds); a maximum flow gives the largest such m
// (Berczi and Frank). All trees grow together, level by level: edges from low vertices are tried first, so trees stay low.
#include "forest_packing.h"

#include <algorithm>
#include <map>

#include "p2plab/max_flow.h"
#include "p2plab/result.h"

namespace p2plab {

namespace {

struct Partial {
  int root = 0;
  std::int64_t count = 0;
  std::vector<int> depth;  // by vertex; -1 if not in the tree
  std::vector<std::pair<int, int>> edges;
};

class Packer {
 public:
  explicit Packer(const ForestProblem& problem)
      : problem_(problem), vertices_(static_cast<std::size_t>(problem.vertices)), left_(vertices_ * vertices_), next_(vertices_) {
    for (const auto& arc : problem.arcs) {
      auto& left = left_[place(arc.from, arc.to)];
      if (left == 0) next_[static_cast<std::size_t>(arc.from)].push_back(arc.to);
      left += arc.capacity;
    }
    for (int v = 0; v < problem.vertices; ++v) {
      const auto count = problem.trees[static_cast<std::size_t>(v)];
      if (count == 0) continue;
      Partial tree{v, count, std::vector<int>(vertices_, -1), {}};
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
      for (std::size_t turn = 0; turn < vertices_; ++turn) {
        // Trees start at different vertices, so that they do not all ask for the same edges first.
        const auto x = static_cast<int>((turn + static_cast<std::size_t>(open_[i].root)) % vertices_);
        if (open_[i].depth[static_cast<std::size_t>(x)] != level) continue;
        for (const auto y : next_[static_cast<std::size_t>(x)]) {
          if (open_[i].depth[static_cast<std::size_t>(y)] < 0 && left_[place(x, y)] > 0) add(i, x, y);
        }
      }
    }
    close();
  }

  void add(std::size_t which, int x, int y) {
    const auto most = std::min(left_[place(x, y)], open_[which].count);
    const auto count = std::min(most, room(which, x, y, most));
    if (count <= 0) return;
    if (count < open_[which].count) {
      auto rest = open_[which];
      rest.count -= count;
      open_[which].count = count;
      open_.push_back(std::move(rest));
    }
    auto& tree = open_[which];
    tree.depth[static_cast<std::size_t>(y)] = tree.depth[static_cast<std::size_t>(x)] + 1;
    tree.edges.emplace_back(x, y);
    left_[place(x, y)] -= count;
  }

  // How many copies of a tree can take the edge without leaving another tree, or the rest of this one, no way to finish.
  std::int64_t room(std::size_t which, int x, int y, std::int64_t most) {
    // Trees over the same vertices count together.
    std::map<std::vector<bool>, std::int64_t> others;
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < open_.size(); ++i) {
      if (i == which) continue;
      std::vector<bool> in(vertices_);
      for (std::size_t v = 0; v < vertices_; ++v) in[v] = open_[i].depth[v] >= 0;
      others[in] += open_[i].count;
      sum += open_[i].count;
    }
    MaxFlow<std::int64_t> flow(problem_.vertices + static_cast<int>(others.size()));
    for (std::size_t u = 0; u < vertices_; ++u) {
      for (const auto to : next_[u]) {
        if (const auto capacity = left_[u * vertices_ + static_cast<std::size_t>(to)]; capacity > 0) flow.add_arc(static_cast<int>(u), to, capacity);
      }
    }
    int node = problem_.vertices;
    for (const auto& [in, count] : others) {
      flow.add_arc(x, node, count);
      for (std::size_t v = 0; v < vertices_; ++v) {
        if (in[v]) flow.add_arc(node, static_cast<int>(v), count);
      }
      ++node;
    }
    return flow.run(x, y, sum + most) - sum;
  }

  void close() {
    const auto complete = [&](const Partial& tree) {
      return std::ranges::all_of(problem_.terminals, [&](int t) { return tree.depth[static_cast<std::size_t>(t)] >= 0; });
    };
    for (auto& tree : open_) {
      if (complete(tree)) done_.push_back(tree);
    }
    std::erase_if(open_, complete);
  }

  const ForestProblem& problem_;
  std::size_t vertices_;
  std::vector<std::int64_t> left_;  // capacity not yet used, by pair
  std::vector<std::vector<int>> next_;
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

  void place(const Partial& tree, std::vector<ForestTree>& trees) {
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
        placed.edges.push_back({tree.edges[e].first, tree.edges[e].second, problem_.arcs[chosen[e]].path});
      }
      trees.push_back(std::move(placed));
      left -= count;
    }
  }

 private:
  const ForestProblem& problem_;
  std::vector<std::int64_t> free_;
  std::map<std::pair<int, int>, std::vector<std::size_t>> by_pair_;
};

}  // namespace

int height(const ForestTree& tree) {
  std::map<int, int> depth{{tree.root, 0}};
  int most = 0;
  for (const auto& edge : tree.edges) most = std::max(most, depth[edge.to] = depth.at(edge.from) + 1);
  return most;
}

std::vector<ForestTree> pack_trees(const ForestProblem& problem) {
  PathChoice paths(problem);
  std::vector<ForestTree> trees;
  for (const auto& tree : Packer{problem}.run()) paths.place(tree, trees);
  return trees;
}

}  // namespace p2plab
