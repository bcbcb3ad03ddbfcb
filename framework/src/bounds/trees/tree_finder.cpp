// SPDX-License-Identifier: Apache-2.0
#include "bounds/trees/tree_finder.h"

#include <algorithm>
#include <iterator>
#include <queue>

#include "p2plab/detail/arborescence.h"

namespace p2plab::bounds {

namespace {

constexpr std::size_t most_optional_tried = 7;

// Nodes that may branch but need not be reached.
std::vector<int> optional_nodes(const Topology& topology, std::span<const int> terminals, std::span<const int> branching) {
  std::vector<bool> optional;
  for (const auto& node : topology.nodes()) optional.push_back(node.kind == NodeKind::gpu);
  for (const auto v : branching) optional[static_cast<std::size_t>(v)] = true;
  for (const auto v : terminals) optional[static_cast<std::size_t>(v)] = false;
  std::vector<int> nodes;
  for (std::size_t v = 0; v < optional.size(); ++v) {
    if (optional[v]) nodes.push_back(static_cast<int>(v));
  }
  return nodes;
}

double effort_of_counts(std::size_t terminals, std::size_t optional) {
  const auto sets = optional <= most_optional_tried ? std::size_t{1} << optional : 2 + 2 * optional;
  const auto stations = static_cast<double>(terminals + optional);
  return static_cast<double>(sets) * stations * stations;
}

}  // namespace

TreeFinder::TreeFinder(const Topology& topology, std::span<const int> terminals, std::span<const int> branching, bool in_trees)
    : topology_(topology),
      in_trees_(in_trees),
      nodes_(topology.nodes().size()),
      terminals_(terminals.begin(), terminals.end()),
      optional_(optional_nodes(topology, terminals, branching)) {
  distance_.resize(nodes_ * nodes_);
  last_link_.resize(nodes_ * nodes_);
  list_sets();
}

void TreeFinder::list_sets() {
  exact_ = optional_.size() <= most_optional_tried;
  if (exact_) {
    for (std::size_t set = 0; set < (std::size_t{1} << optional_.size()); ++set) {
      sets_.emplace_back();
      for (std::size_t i = 0; i < optional_.size(); ++i) {
        if ((set >> i & 1) != 0) sets_.back().push_back(optional_[i]);
      }
    }
    return;
  }
  sets_ = {{}, optional_};
  for (const auto one : optional_) {
    sets_.push_back({one});
    sets_.emplace_back();
    std::ranges::copy_if(optional_, std::back_inserter(sets_.back()), [&](int other) { return other != one; });
  }
}

double TreeFinder::effort() const { return effort_of_counts(terminals_.size(), optional_.size()); }

double TreeFinder::effort_of(const Topology& topology, std::span<const int> terminals, std::span<const int> branching) {
  return effort_of_counts(terminals.size(), optional_nodes(topology, terminals, branching).size());
}

void TreeFinder::set_prices(std::span<const double> prices) {
  for (int v = 0; v < static_cast<int>(nodes_); ++v) find_distances(v, prices);
}

void TreeFinder::find_distances(int from, std::span<const double> prices) {
  const auto row = static_cast<std::size_t>(from) * nodes_;
  std::fill_n(distance_.begin() + static_cast<std::ptrdiff_t>(row), nodes_, never);
  std::fill_n(last_link_.begin() + static_cast<std::ptrdiff_t>(row), nodes_, -1);
  std::priority_queue<std::pair<double, int>> queue;  // minus the distance, so that the least comes first
  distance_[row + static_cast<std::size_t>(from)] = 0;
  queue.emplace(0.0, from);
  while (!queue.empty()) {
    const auto [minus, v] = queue.top();
    queue.pop();
    if (-minus > distance_[row + static_cast<std::size_t>(v)]) continue;
    for (const auto id : in_trees_ ? topology_.in_links(NodeId{v}) : topology_.out_links(NodeId{v})) {
      const auto& link = topology_.link(id);
      const auto to = (in_trees_ ? link.from : link.to).index();
      const auto length = prices[id.index()] - minus;
      if (length >= distance_[row + to]) continue;
      distance_[row + to] = length;
      last_link_[row + to] = id.value;
      queue.emplace(-length, static_cast<int>(to));
    }
  }
}

// The cost of the cheapest tree over all stations, the first of which is the root.
double TreeFinder::spanning(std::span<const int> stations, std::vector<int>& parents) const {
  const auto n = stations.size();
  std::vector<double> costs(n * n);
  for (std::size_t u = 0; u < n; ++u) {
    for (std::size_t v = 0; v < n; ++v) costs[u * n + v] = distance(stations[u], stations[v]);
  }
  parents = cheapest_arborescence(static_cast<int>(n), 0, costs);
  if (parents.empty()) return never;
  double sum = 0;
  for (std::size_t v = 1; v < n; ++v) sum += costs[static_cast<std::size_t>(parents[v]) * n + v];
  return sum;
}

void TreeFinder::append_path(int from, int to, PricedTree& tree) const {
  const auto row = static_cast<std::size_t>(from) * nodes_;
  for (auto v = static_cast<std::size_t>(to); v != static_cast<std::size_t>(from);) {
    const LinkId id{last_link_[row + v]};
    tree.links.push_back(id);
    const auto& link = topology_.link(id);
    v = (in_trees_ ? link.to : link.from).index();
  }
}

// The start, the terminals and a set of the others; none if that names the start twice.
std::vector<int> TreeFinder::stations_of(int start, const std::vector<int>& set) const {
  std::vector<int> stations{start};
  for (const auto t : terminals_) {
    if (t != start) stations.push_back(t);
  }
  for (const auto node : set) {
    if (node == start) return {};
    stations.push_back(node);
  }
  return stations;
}

// The nodes at which a tree of this root may branch first: the root or, if it may not branch, those to which its one way leads.
std::vector<int> TreeFinder::starts_of(int root) const {
  std::vector<int> starts = terminals_;
  starts.insert(starts.end(), optional_.begin(), optional_.end());
  return std::ranges::find(starts, root) != starts.end() ? std::vector<int>{root} : starts;
}

PricedTree TreeFinder::cheapest(int root) const {
  PricedTree best{never};
  std::vector<int> best_stations;
  std::vector<int> best_parents;
  for (const auto start : starts_of(root)) {
    const auto way = distance(root, start);
    for (const auto& set : sets_) {
      if (way >= best.cost) break;
      auto stations = stations_of(start, set);
      std::vector<int> parents;
      const auto cost = stations.empty() ? never : way + spanning(stations, parents);
      if (cost >= best.cost) continue;
      best.cost = cost;
      best_stations = std::move(stations);
      best_parents = std::move(parents);
    }
  }
  if (best_stations.empty()) return best;
  append_path(root, best_stations.front(), best);
  for (std::size_t v = 1; v < best_stations.size(); ++v)
    append_path(best_stations[static_cast<std::size_t>(best_parents[v])], best_stations[v], best);
  return best;
}

}  // namespace p2plab::bounds
