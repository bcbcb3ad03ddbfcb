// SPDX-License-Identifier: Apache-2.0
// Cheap spanning trees of few hops at given prices of links. A hop leads from one GPU to another past switches, along the cheapest path.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "forest/direction.h"
#include "p2plab/detail/symmetry.h"

namespace p2plab {

/// Grows trees over some GPUs of a machine, the terminals, which are named by position.
class HeightLimitedTrees {
 public:
  /// `terminals` are NodeIds. With `towards_root`, trees run against the links. `group` maps terminals to terminals and outlives the trees.
  HeightLimitedTrees(const Topology& topology, std::vector<int> terminals, TreeDirection direction, const std::vector<Automorphism>& group);

  /// `prices` by link, the same within orbits of the group. Before the first `cheapest`.
  void set_prices(std::span<const double> prices);

  struct Tree {
    std::vector<int> parents;  // by position; -1 at the root
    std::vector<int> order;    // parents before children
    double cost = 0;
    int height = 0;
  };
  /// A tree of at most `most_height` hops from root to leaf. Cheap, not always the cheapest: that is NP-hard. Less is tried on large machines once a
  /// tree costs less than `good`. None if there is none.
  std::optional<Tree> cheapest(int root, int most_height, double good) const;

  /// The most hops that are needed from a root to some terminal; -1 if one cannot be reached.
  int least_height(int root) const;
  /// Links from one terminal to another in the direction in which trees grow.
  void path(int from, int to, std::vector<int>& links) const;

  /// What the path between two terminals costs; infinite if there is none.
  double hop(int from, int to) const { return hops_[static_cast<std::size_t>(from) * terminals_.size() + static_cast<std::size_t>(to)]; }

  int size() const { return static_cast<int>(terminals_.size()); }
  const std::vector<int>& terminals() const& { return terminals_; }
  /// The first terminal of the orbit of each.
  const std::vector<int>& representatives() const& { return representative_; }

 private:
  // Of a path: a link, and the state before it.
  struct Step {
    int link = -1;
    int before = -1;
  };

  NodeId start_of(LinkId id) const;
  void find_paths(int from, std::span<const double> prices);
  void give_images(int from, const std::vector<double>& costs);
  std::optional<Tree> by_cost(int root, int most_height) const;
  std::optional<Tree> by_lowering(int root, int most_height) const;
  std::optional<Tree> by_level(int root, int most_height) const;
  void improve(Tree& tree, int most_height) const;
  const double* into(std::size_t to) const { return into_.data() + to * terminals_.size(); }
  bool measure(Tree& tree, std::vector<int>& depth, std::vector<int>& below) const;

  const Topology& topology_;
  std::vector<int> terminals_;
  TreeDirection direction_;
  const std::vector<Automorphism>& group_;
  std::vector<int> position_;                 // by node, -1: no terminal
  std::vector<int> representative_;           // by position
  std::vector<int> element_;                  // by position: the group's element that maps the representative here
  std::vector<std::vector<int>> back_;        // by element: where each node came from
  std::vector<bool> may_refuse_;              // by node: from some neighbours it does not pass data on to others
  std::vector<std::vector<Step>> last_step_;  // by position of a representative, by state: the last step of the path there
  std::vector<double> hops_;                  // cost by pair of positions
  std::vector<double> into_;                  // the same by target first: what trees are searched by
};

}  // namespace p2plab
