// SPDX-License-Identifier: Apache-2.0
#include "islands/spread_trees.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

namespace p2plab {

SpreadTrees::SpreadTrees(std::size_t places, std::size_t trees) {
  std::int64_t common = 1;
  for (std::size_t t = 0; t < trees; ++t) {
    auto& order = orders_.emplace_back();
    for (auto p = t; p < places; p += trees) order.push_back(p);
    children_.push_back(std::max<std::size_t>(1, (places - 1 + order.size() - 1) / order.size()));
    common = std::lcm(common, static_cast<std::int64_t>(children_.back()));
    for (std::size_t k = 1; k < places; ++k) {
      const auto p = (t + k) % places;
      if (p % trees != t) order.push_back(p);
    }
  }
  for (const auto children : children_) weights_.push_back(common / static_cast<std::int64_t>(children));
}

int SpreadTrees::height() const {
  int most = 0;
  for (std::size_t t = 0; t < size(); ++t) {
    int hops = 1;
    for (auto at = orders_[t].size() - 1; at > 0; at = above(t, at)) ++hops;
    most = std::max(most, hops);
  }
  return most;
}

double SpreadTrees::load() const {
  double trees = 0;
  for (const auto children : children_) trees += 1.0 / static_cast<double>(children);
  return 1 / trees;
}

namespace {

// What a simulation takes a second or two for; slices of sums take more than copies.
struct Affordable {
  std::size_t steps;
  std::int64_t slices;
};
constexpr Affordable of_copies{1 << 16, 1 << 21};
constexpr Affordable of_sums{1 << 14, 1 << 20};

constexpr std::int64_t most_slices = 256;          // of a step
constexpr std::int64_t least_spread_slice = 1024;  // bytes: below, steps cost more than what they move
constexpr std::int64_t least_copy = 64LL << 10;    // bytes of a chunk
constexpr std::size_t blocks_to_fill_links = 8;    // that pass a shard on inside
constexpr std::int64_t on_their_way = 8;           // slices of a step at the same time
constexpr double as_good = 0.01;                   // fewer trees are sooner planned
constexpr double nearly_as_late = 0.1;             // what they may take longer, of what comes after the last byte

// Steps are one to a place and one inside its island, of each chunk.
std::size_t steps_of(const TreeTask& task, std::size_t chunks) { return 2 * chunks * task.shards * (task.places + 1); }

TreeCut cut_into(std::size_t trees, const TreeTask& task) {
  const auto shard = task.size.count() / static_cast<std::int64_t>(task.shards);
  const auto wanted = (blocks_to_fill_links + trees - 1) / trees;
  const auto fit = static_cast<std::size_t>(shard / least_copy) / trees;
  TreeCut cut{trees, std::clamp<std::size_t>(fit, 1, wanted), Bytes{0}};
  const auto chunks = static_cast<std::int64_t>(cut.trees * cut.copies);
  const auto steps = static_cast<std::int64_t>(steps_of(task, cut.trees * cut.copies));
  const auto slices = std::clamp<std::int64_t>((task.adds ? of_sums : of_copies).slices / steps, 1, most_slices);
  // A step that reads before it sends takes about two hops; meanwhile its slices have to fill its part of the way.
  const auto in_flight = static_cast<std::int64_t>(2 * task.hop.count() * static_cast<double>(task.rate.bytes_per_second()));
  const auto least = std::max(least_spread_slice, task.adds ? in_flight / chunks / on_their_way : 0);
  const auto slice = std::max(least, shard / chunks / slices);
  cut.slice = Bytes{(slice + 15) / 16 * 16};
  return cut;
}

Seconds time_of(const TreeCut& cut, const TreeTask& task) {
  const SpreadTrees spread(task.places, cut.trees);
  const auto shard = static_cast<double>(task.size.count()) / static_cast<double>(task.shards);
  const auto all = Bytes{static_cast<std::int64_t>(shard * std::max(1.0, spread.load()))} / task.rate;
  const auto to_all_children = Bytes{cut.slice.count() * static_cast<std::int64_t>(cut.trees * cut.copies)} / task.rate;
  return all + (task.hop + to_all_children) * spread.height();
}

}  // namespace

TreeCut best_tree_cut(const TreeTask& task) {
  std::vector<std::pair<TreeCut, Seconds>> cuts;
  auto least = Seconds{std::numeric_limits<double>::infinity()};
  for (std::size_t trees = 1; trees <= task.places; ++trees) {
    if (trees > 1 && steps_of(task, trees) > (task.adds ? of_sums : of_copies).steps) break;
    const auto cut = cut_into(trees, task);
    cuts.emplace_back(cut, time_of(cut, task));
    least = std::min(least, cuts.back().second);
  }
  const auto bytes = Bytes{task.size.count() / static_cast<std::int64_t>(task.shards)} / task.rate;
  const auto limit = std::min(least * (1 + as_good), bytes + (least - bytes) * (1 + nearly_as_late));
  return std::ranges::find_if(cuts, [&](const auto& each) { return each.second <= limit; })->first;
}

}  // namespace p2plab
