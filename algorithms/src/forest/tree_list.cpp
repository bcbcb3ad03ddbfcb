// SPDX-License-Identifier: Apache-2.0
#include "forest/tree_list.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <unordered_map>

namespace p2plab {

namespace {

// The finisher of SplitMix64.
std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

// By vertex: edges from the root.
std::vector<int> depths(const ForestTree& tree) {
  auto vertices = tree.root;
  for (const auto& edge : tree.edges) vertices = std::max(vertices, edge.to);
  std::vector<int> depth(static_cast<std::size_t>(vertices) + 1);
  for (const auto& edge : tree.edges) depth[static_cast<std::size_t>(edge.to)] = depth[static_cast<std::size_t>(edge.from)] + 1;
  return depth;
}

}  // namespace

std::uint64_t PathTable::slot_of(std::span<const LinkId> links) const {
  std::uint64_t hash = links.size();
  for (const auto link : links) hash = mixed(hash + 0x9e3779b97f4a7c15ULL * (static_cast<std::uint64_t>(static_cast<std::uint32_t>(link.value)) + 1));
  auto slot = hash & (slots_.size() - 1);
  while (slots_[slot] >= 0 && !std::ranges::equal((*this)[slots_[slot]], links)) slot = (slot + 1) & (slots_.size() - 1);
  return slot;
}

int PathTable::add(std::span<const LinkId> links) {
  if (slots_.size() < 2 * (size() + 1)) {
    slots_.assign(std::max<std::size_t>(64, 2 * slots_.size()), -1);
    for (std::size_t p = 0; p < size(); ++p) enter(static_cast<int>(p));
  }
  const auto slot = slot_of(links);
  if (slots_[slot] >= 0) return slots_[slot];
  links_.insert(links_.end(), links.begin(), links.end());
  starts_.push_back(links_.size());
  slots_[slot] = static_cast<int>(size()) - 1;
  return slots_[slot];
}

void PathTable::enter(int path) { slots_[slot_of((*this)[path])] = path; }

void PathTable::reverse() {
  for (std::size_t p = 0; p + 1 < starts_.size(); ++p) {
    std::reverse(links_.begin() + static_cast<std::ptrdiff_t>(starts_[p]), links_.begin() + static_cast<std::ptrdiff_t>(starts_[p + 1]));
  }
  std::ranges::fill(slots_, -1);
  for (std::size_t p = 0; p < size(); ++p) enter(static_cast<int>(p));
}

std::size_t edge_count(const TreeList& list) {
  std::size_t edges = 0;
  for (const auto& tree : list.trees) edges += tree.edges.size();
  return edges * (list.images == nullptr ? 1 : list.images->size());
}

std::int64_t copies_of(std::span<const ForestTree* const> trees) {
  return std::accumulate(trees.begin(), trees.end(), std::int64_t{0}, [](std::int64_t sum, const ForestTree* tree) { return sum + tree->count; });
}

void expand(TreeList& list) {
  if (list.images == nullptr) return;
  const auto images = std::exchange(list.images, nullptr);
  if (images->size() == 1) return;
  std::vector<ForestTree> all;
  std::vector<int> paths(list.paths.size());
  std::vector<std::vector<int>> path_images;
  std::vector<LinkId> links;
  for (const auto& image : *images) {
    for (std::size_t p = 0; p < paths.size(); ++p) {
      links.clear();
      for (const auto link : list.paths[static_cast<int>(p)]) links.emplace_back(image.links[link.index()]);
      paths[p] = list.paths.add(links);
    }
    path_images.push_back(paths);
  }
  for (const auto& tree : list.trees) {
    for (std::size_t i = 0; i < images->size(); ++i) {
      const auto& nodes = (*images)[i].nodes;
      ForestTree moved{nodes[static_cast<std::size_t>(tree.root)], tree.count, {}};
      moved.edges.reserve(tree.edges.size());
      for (const auto& [from, to, path] : tree.edges)
        moved.edges.push_back(
            {nodes[static_cast<std::size_t>(from)], nodes[static_cast<std::size_t>(to)], path_images[i][static_cast<std::size_t>(path)]});
      all.push_back(std::move(moved));
    }
  }
  list.trees = std::move(all);
}

int height(const ForestTree& tree) { return std::ranges::max(depths(tree)); }

void sort_by_level(ForestTree& tree) {
  const auto depth = depths(tree);
  const auto key = [&](const ForestTree::Edge& edge) {
    return static_cast<std::uint64_t>(depth[static_cast<std::size_t>(edge.from)]) << 32 | static_cast<std::uint32_t>(edge.from);
  };
  std::ranges::stable_sort(tree.edges, {}, key);
}

void merge_equal(std::vector<ForestTree>& trees) {
  using Key = std::tuple<int, int, int>;
  const auto sorted = [](const ForestTree& tree) {
    std::vector<Key> edges;
    for (const auto& edge : tree.edges) edges.emplace_back(edge.to, edge.from, edge.path);
    std::ranges::sort(edges);
    return edges;
  };
  std::unordered_multimap<std::uint64_t, std::size_t> known;
  std::vector<ForestTree> merged;
  for (auto& tree : trees) {
    std::uint64_t hash = mixed(static_cast<std::uint64_t>(tree.root));
    for (const auto& edge : tree.edges) {
      const auto ends = static_cast<std::uint64_t>(edge.to) << 32 | static_cast<std::uint32_t>(edge.from);
      hash += mixed(ends) ^ mixed(static_cast<std::uint64_t>(edge.path) + 7);
    }
    auto [place, end] = known.equal_range(hash);
    while (place != end && (merged[place->second].root != tree.root || sorted(merged[place->second]) != sorted(tree))) ++place;
    if (place != end) {
      merged[place->second].count += tree.count;
    } else {
      known.emplace(hash, merged.size());
      merged.push_back(std::move(tree));
    }
  }
  trees = std::move(merged);
}

void reduce_counts(TreeList& a, TreeList& b) {
  std::int64_t common = 0;
  for (const auto* list : {&a, &b}) {
    for (const auto& tree : list->trees) common = std::gcd(common, tree.count);
  }
  for (auto* list : {&a, &b}) {
    for (auto& tree : list->trees) tree.count /= std::max<std::int64_t>(common, 1);
  }
}

}  // namespace p2plab
