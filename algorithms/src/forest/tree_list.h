// SPDX-License-Identifier: Apache-2.0
// Trees of a forest. Forests of a thousand GPUs have millions of edges, so an edge is three numbers and its physical path is written down once.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "p2plab/base/ids.h"
#include "p2plab/detail/symmetry.h"

namespace p2plab {

/// Sequences of links, each kept once and known by a number that counts from 0.
class PathTable {
 public:
  /// The number of a sequence.
  int add(std::span<const LinkId> links);
  std::span<const LinkId> operator[](int path) const& {
    const auto place = static_cast<std::size_t>(path);
    return {links_.data() + starts_[place], starts_[place + 1] - starts_[place]};
  }
  std::span<const LinkId> operator[](int path) && = delete;
  std::size_t size() const { return starts_.size() - 1; }
  /// Turns every sequence round; numbers stay.
  void reverse();

 private:
  void enter(int path);
  std::uint64_t slot_of(std::span<const LinkId> links) const;

  std::vector<LinkId> links_;
  std::vector<std::size_t> starts_ = {0};
  std::vector<int> slots_;  // by hash, -1: free; a power of two, at most half full
};

/// `count` equal trees from one root. Edges run away from the root and are listed so that an edge's tail is in the tree before it.
struct ForestTree {
  struct Edge {
    int from = 0;
    int to = 0;
    int path = 0;  // in the table of the list that the tree is in
  };
  int root = 0;
  std::int64_t count = 0;
  std::vector<Edge> edges;
};

/// Mappings of a machine onto itself, the identity first. The nodes and links that trees use must be mapped, groups need not.
using TreeImages = std::vector<Automorphism>;

struct TreeList {
  std::vector<ForestTree> trees;
  PathTable paths;
  /// Where not null, each tree stands for its images, one for each mapping, which all have different roots.
  std::shared_ptr<const TreeImages> images = nullptr;
};

/// Lists the images one by one, those of one tree together; paths lead the way that they led.
void expand(TreeList& list);

/// Edges of all trees, those of images among them.
std::size_t edge_count(const TreeList& list);

/// How many trees they are, equal ones counted.
std::int64_t copies_of(std::span<const ForestTree* const> trees);

/// The most edges between the root and a vertex.
int height(const ForestTree& tree);

/// Lists the edges level by level, those of one parent together.
void sort_by_level(ForestTree& tree);

/// Makes equal trees one.
void merge_equal(std::vector<ForestTree>& trees);

/// Divides the counts of all trees of both lists by what divides them all.
void reduce_counts(TreeList& a, TreeList& b);

}  // namespace p2plab
