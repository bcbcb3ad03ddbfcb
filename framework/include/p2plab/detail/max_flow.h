// SPDX-License-Identifier: Apache-2.0
// Maximum flow and minimum cut on integer capacities: Dinic's algorithm on flat arrays, made for many runs on one graph.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "p2plab/detail/rational.h"

namespace p2plab {

/// A flow network whose capacities may change between runs. `Amount` is std::int64_t or Int128; the sum of all capacities must fit into it.
template <class Amount>
class MaxFlow {
 public:
  explicit MaxFlow(int vertices);

  /// A new arc, and its number (counting from 0). After the first run no arc may be added.
  int add_arc(int from, int to, Amount capacity);
  void set_capacity(int arc, Amount capacity) {
    const auto a = static_cast<std::size_t>(arc);
    if (!all_changed_) residual_[position_[2 * a]] += capacity - capacity_[a];
    capacity_[a] = capacity;
  }
  Amount capacity(int arc) const { return capacity_[static_cast<std::size_t>(arc)]; }

  /// The greatest flow from `source` to `sink`, or `limit` if that is less.
  Amount run(int source, int sink, Amount limit);
  /// The flow that the last run put on an arc.
  Amount flow(int arc) const { return capacity_[static_cast<std::size_t>(arc)] - residual_[position_[2 * static_cast<std::size_t>(arc)]]; }
  /// After a run that did not reach its limit: is the vertex on the source's side of the least cut nearest to the source?
  bool on_source_side(int vertex) const { return level_[static_cast<std::size_t>(vertex)] >= 0; }

 private:
  void prepare();
  void reset();
  bool find_levels(int source, int sink);
  Amount augment(int source, int sink, Amount limit);
  Amount push(Amount amount, std::size_t& cut);

  std::size_t vertices_;
  std::vector<std::int32_t> from_, to_;  // by arc
  std::vector<Amount> capacity_;         // by arc
  std::vector<std::size_t> offsets_;     // half-arcs of a vertex: [offsets_[v], offsets_[v + 1])
  std::vector<std::size_t> position_;    // arc a: half-arcs position_[2a] (forward), position_[2a + 1] (back)
  std::vector<std::int32_t> head_;       // by half-arc
  std::vector<std::size_t> twin_;        // by half-arc
  std::vector<Amount> residual_;         // by half-arc
  std::vector<std::int32_t> level_;
  std::vector<std::size_t> next_;
  std::vector<std::int32_t> queue_;  // what the last search reached
  std::vector<std::size_t> path_;
  std::vector<std::pair<std::size_t, Amount>> pushed_;  // by the last run, over half-arcs
  bool all_changed_ = true;                             // more than `pushed_` says
};

extern template class MaxFlow<std::int64_t>;
extern template class MaxFlow<Int128>;

}  // namespace p2plab
