// SPDX-License-Identifier: Apache-2.0
#include "bounds/proofs/by_prices.h"

#include <algorithm>
#include <queue>

#include "bounds/proofs/tree_cost.h"

namespace p2plab::bounds {

namespace {

constexpr std::size_t most_optional_for_all = 7;
constexpr double most_work = 2e9;

// By node, what the cheapest way costs from `from`; no_arc where there is none. With `reversed`, against the links.
std::vector<std::int64_t> ways(const Topology& topology, std::span<const std::int64_t> of_links, int from, bool reversed) {
  std::vector<std::int64_t> least(topology.nodes().size(), no_arc);
  std::priority_queue<std::pair<std::int64_t, int>, std::vector<std::pair<std::int64_t, int>>, std::greater<>> queue;
  least[static_cast<std::size_t>(from)] = 0;
  queue.emplace(0, from);
  while (!queue.empty()) {
    const auto [cost, v] = queue.top();
    queue.pop();
    if (cost > least[static_cast<std::size_t>(v)]) continue;
    for (const auto id : reversed ? topology.in_links(NodeId{v}) : topology.out_links(NodeId{v})) {
      const auto& link = topology.link(id);
      const auto to = reversed ? link.from : link.to;
      const auto sum = cost + of_links[id.index()];
      if (sum >= least[to.index()]) continue;
      least[to.index()] = sum;
      queue.emplace(sum, to.value);
    }
  }
  return least;
}

// Trees of one direction at given prices, between the nodes at which they may branch.
class Trees {
 public:
  Trees(const Topology& topology, const TreeDemand& demand, std::span<const std::int64_t> of_links, bool in_trees)
      : terminals_(in_trees ? demand.senders : demand.receivers) {
    std::vector<bool> branches;
    for (const auto& node : topology.nodes())
      branches.push_back(node.kind == NodeKind::gpu || (!in_trees && demand.hosts_copy && node.kind == NodeKind::host));
    for (const auto v : in_trees ? demand.reduce : demand.multicast) branches[static_cast<std::size_t>(v)] = true;
    for (const auto v : terminals_) branches[static_cast<std::size_t>(v)] = false;
    for (std::size_t v = 0; v < branches.size(); ++v) {
      if (branches[v]) optional_.push_back(static_cast<int>(v));
    }
    for (int v = 0; v < static_cast<int>(topology.nodes().size()); ++v) ways_.push_back(ways(topology, of_links, v, in_trees));
  }

  double work() const {
    const auto stations = static_cast<double>(terminals_.size() + optional_.size());
    return (all_sets() ? static_cast<double>(std::size_t{1} << optional_.size()) : 1) * stations * stations * stations;
  }

  // What a tree of this root costs at least.
  std::optional<std::int64_t> least(int root) const {
    if (may_branch(root)) return from(root);
    std::optional<std::int64_t> best;
    for (const auto* starts : {&terminals_, &optional_}) {
      for (const auto start : *starts) {
        const auto way = ways_[static_cast<std::size_t>(root)][static_cast<std::size_t>(start)];
        const auto rest = way == no_arc ? std::nullopt : from(start);
        if (rest && (!best || way + *rest < *best)) best = way + *rest;
      }
    }
    return best;
  }

 private:
  bool all_sets() const { return optional_.size() <= most_optional_for_all; }
  bool may_branch(int v) const { return std::ranges::find(terminals_, v) != terminals_.end() || std::ranges::find(optional_, v) != optional_.end(); }

  // With each set of those that need not be reached as if they had to be: one of the sets is that of the cheapest tree.
  std::optional<std::int64_t> from(int start) const {
    if (!all_sets()) return among(start, optional_, false);
    std::optional<std::int64_t> best;
    for (std::size_t set = 0; set < (std::size_t{1} << optional_.size()); ++set) {
      std::vector<int> chosen;
      for (std::size_t i = 0; i < optional_.size(); ++i) {
        if ((set >> i & 1) != 0) chosen.push_back(optional_[i]);
      }
      if (const auto cost = among(start, chosen, true); cost && (!best || *cost < *best)) best = cost;
    }
    return best;
  }

  std::optional<std::int64_t> among(int start, const std::vector<int>& others, bool reach_others) const {
    std::vector<int> stations{start};
    std::vector<std::size_t> wanted;
    for (const auto* nodes : {&terminals_, &others}) {
      for (const auto v : *nodes) {
        if (v == start) continue;
        if (nodes == &terminals_ || reach_others) wanted.push_back(stations.size());
        stations.push_back(v);
      }
    }
    const auto n = stations.size();
    std::vector<std::int64_t> costs(n * n, no_arc);
    for (std::size_t u = 0; u < n; ++u) {
      for (std::size_t v = 0; v < n; ++v) {
        if (u != v) costs[u * n + v] = ways_[static_cast<std::size_t>(stations[u])][static_cast<std::size_t>(stations[v])];
      }
    }
    return least_tree_cost(n, 0, wanted, std::move(costs));
  }

  const std::vector<int>& terminals_;
  std::vector<int> optional_;
  std::vector<std::vector<std::int64_t>> ways_;
};

// Where roots are free, those that may be one; else those with a weight.
std::vector<int> roots_of(const Topology& topology, const TreeDemand& demand) {
  std::vector<int> roots;
  for (int v = 0; v < static_cast<int>(topology.nodes().size()); ++v) {
    const bool free = topology.node(NodeId{v}).kind == NodeKind::gpu || std::ranges::find(demand.reduce, v) != demand.reduce.end();
    if (demand.weights.empty() ? free : demand.weights[static_cast<std::size_t>(v)] > 0) roots.push_back(v);
  }
  return roots;
}

}  // namespace

Rational PricedBound::inverse() const { return worth > 0 ? reduced(cost * 1'000'000'000, worth) : Rational{}; }

std::optional<PricedBound> proved_by_prices(const Topology& topology, const TreeDemand& demand, const Prices& prices) {
  const auto nodes = static_cast<double>(topology.nodes().size());
  if (prices.empty() || nodes * nodes * nodes > most_work) return std::nullopt;
  const auto of_links = prices_of_links(topology, prices);
  const auto roots = roots_of(topology, demand);
  std::vector<Trees> kinds;
  if (!demand.receivers.empty()) kinds.emplace_back(topology, demand, of_links, false);
  if (!demand.senders.empty()) kinds.emplace_back(topology, demand, of_links, true);
  double work = 0;
  for (const auto& trees : kinds) work += trees.work() * static_cast<double>(roots.size());
  if (work > most_work) return std::nullopt;
  Int128 sum = 0;
  std::optional<std::int64_t> least;
  for (const auto root : roots) {
    std::optional<std::int64_t> cost = 0;
    for (const auto& trees : kinds) {
      const auto part = cost ? trees.least(root) : std::nullopt;
      cost = part ? std::optional{*cost + *part} : std::nullopt;
    }
    if (!cost && demand.weights.empty()) continue;  // others may be the root
    if (!cost) return std::nullopt;
    if (!least || *cost < *least) least = cost;
    if (!demand.weights.empty()) sum += static_cast<Int128>(*cost) * demand.weights[static_cast<std::size_t>(root)];
  }
  if (demand.weights.empty()) sum = least.value_or(0);
  if (sum <= 0) return std::nullopt;
  return PricedBound{sum, worth(topology, prices)};
}

std::optional<PricedBound> proved_by_prices(const Topology& topology, std::span<const Commodity> commodities, bool reversed, const Prices& prices) {
  if (prices.empty()) return std::nullopt;
  const auto of_links = prices_of_links(topology, prices);
  Int128 sum = 0;
  for (const auto& commodity : commodities) {
    const auto least = ways(topology, of_links, commodity.source, reversed);
    for (const auto& [sink, weight] : commodity.sinks) {
      if (least[static_cast<std::size_t>(sink)] == no_arc) return std::nullopt;
      sum += static_cast<Int128>(least[static_cast<std::size_t>(sink)]) * weight;
    }
  }
  if (sum <= 0) return std::nullopt;
  return PricedBound{sum, worth(topology, prices)};
}

}  // namespace p2plab::bounds
