// SPDX-License-Identifier: Apache-2.0
// Every tree of a small machine, by trying all.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab::test {

/// All trees of a root by brute force: every station but the root takes one way in, from another station, through switches that only pass on.
class AllTrees {
 public:
  using Load = std::map<int, int>;  // uses by link

  AllTrees(const Topology& topology, const std::vector<NodeId>& branching, bool in_trees) : topology_(topology), in_trees_(in_trees) {
    for (int v = 0; v < static_cast<int>(topology.nodes().size()); ++v) {
      const bool gpu = topology.node(NodeId{v}).kind == NodeKind::gpu;
      if (gpu || std::ranges::find(branching, NodeId{v}) != branching.end()) stations_.push_back(v);
    }
  }

  std::set<Load> of(int root, const std::vector<int>& terminals) {
    std::set<Load> found;
    std::vector<int> others;
    for (const auto v : stations_) {
      if (v != root && std::ranges::find(terminals, v) == terminals.end()) others.push_back(v);
    }
    for (std::size_t set = 0; set < (std::size_t{1} << others.size()); ++set) {
      std::vector<int> nodes;
      for (const auto t : terminals) {
        if (t != root) nodes.push_back(t);
      }
      for (std::size_t i = 0; i < others.size(); ++i) {
        if ((set >> i & 1) != 0) nodes.push_back(others[i]);
      }
      grow(root, nodes, found);
    }
    return found;
  }

 private:
  struct Path {
    int from;
    std::vector<int> links;
  };

  // Ways into `to` from the stations of the tree, by depth-first search against the direction of the tree.
  void find_paths(int at, std::vector<int>& links, std::set<int>& passed, const std::set<int>& tree, std::vector<Path>& paths) const {
    const NodeId node{at};
    for (const auto id : in_trees_ ? topology_.out_links(node) : topology_.in_links(node)) {
      const auto& link = topology_.link(id);
      const auto next = (in_trees_ ? link.to : link.from).value;
      links.push_back(id.value);
      if (tree.contains(next)) {
        paths.push_back({next, links});
      } else if (topology_.node(NodeId{next}).kind != NodeKind::gpu && passed.insert(next).second) {
        find_paths(next, links, passed, tree, paths);
        passed.erase(next);
      }
      links.pop_back();
    }
  }

  void grow(int root, const std::vector<int>& nodes, std::set<Load>& found) const {
    std::set<int> tree(nodes.begin(), nodes.end());
    tree.insert(root);
    std::vector<std::vector<Path>> paths(nodes.size());
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      std::vector<int> links;
      std::set<int> passed;
      find_paths(nodes[i], links, passed, tree, paths[i]);
    }
    std::vector<const Path*> chosen(nodes.size());
    const bool branches = std::ranges::find(stations_, root) != stations_.end();
    const std::function<void(std::size_t)> choose = [&](std::size_t i) {
      if (i < nodes.size()) {
        for (const auto& path : paths[i]) {
          chosen[i] = &path;
          choose(i + 1);
        }
        return;
      }
      std::ptrdiff_t at_root = 0;
      for (const auto* path : chosen) at_root += path->from == root ? 1 : 0;
      if ((!branches && at_root > 1) || !all_reach(root, nodes, chosen)) return;
      Load load;
      for (const auto* path : chosen) {
        for (const auto link : path->links) ++load[link];
      }
      found.insert(std::move(load));
    };
    choose(0);
  }

  static bool all_reach(int root, const std::vector<int>& nodes, const std::vector<const Path*>& chosen) {
    for (const auto node : nodes) {
      auto v = node;
      for (std::size_t steps = 0; v != root; ++steps) {
        if (steps > nodes.size()) return false;
        v = chosen[static_cast<std::size_t>(std::ranges::find(nodes, v) - nodes.begin())]->from;
      }
    }
    return true;
  }

  const Topology& topology_;
  bool in_trees_;
  std::vector<int> stations_;
};

}  // namespace p2plab::test
