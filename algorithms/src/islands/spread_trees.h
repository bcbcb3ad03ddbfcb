// SPDX-License-Identifier: Apache-2.0
// Trees from a root over places that are all alike, such that each place passes on in one tree only: of n places each then sends (n - 1) / n of what
// the root sends, as long as the trees are about as large as each other. Few trees are high, many cut a payload into many pieces.
#pragma once

#include <cstdint>
#include <vector>

#include "p2plab/base/quantity.h"

namespace p2plab {

class SpreadTrees {
 public:
  /// Between one tree and as many as there are places.
  SpreadTrees(std::size_t places, std::size_t trees);

  std::size_t size() const { return orders_.size(); }
  /// What a tree carries, by what the others do: the less, the more children its places have.
  std::int64_t weight(std::size_t tree) const { return weights_[tree]; }
  /// The places of a tree, each behind the one above it; the first hangs from the root.
  const std::vector<std::size_t>& order(std::size_t tree) const& { return orders_[tree]; }
  const std::vector<std::size_t>& order(std::size_t tree) && = delete;
  /// Where in `order` the one above is; not of the first.
  std::size_t above(std::size_t tree, std::size_t at) const { return (at - 1) / children_[tree]; }

  /// The most hops from the root.
  int height() const;
  /// The most that a place sends in all, by what the root sends.
  double load() const;

 private:
  std::vector<std::vector<std::size_t>> orders_;
  std::vector<std::size_t> children_;  // of a place of each tree, at most
  std::vector<std::int64_t> weights_;
};

/// What trees are for.
struct TreeTask {
  std::size_t places = 1;
  std::size_t shards = 1;  // of the payload, which leave the root side by side
  Seconds hop{0};          // from one place to the next: latency, a flag and a step
  Bandwidth rate;          // of the same way
  Bytes size;
  bool adds = false;
};

/// How each shard is cut for trees.
struct TreeCut {
  std::size_t trees = 1;
  std::size_t copies = 1;  // chunks for each tree: of few trees each carries more than a thread block does
  Bytes slice;
};

/// The cut by which the last slice arrives soonest, or nearly so with fewer trees; of those that can be planned and simulated in a second or two.
TreeCut best_tree_cut(const TreeTask& task);

}  // namespace p2plab
