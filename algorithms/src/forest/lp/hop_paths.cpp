// SPDX-License-Identifier: Apache-2.0
// The cheapest paths between terminals, past switches.
#include <algorithm>
#include <queue>
#include <tuple>

#include "forest/lp/height_limited_trees.h"
#include "p2plab/detail/passage.h"

namespace p2plab {

void HeightLimitedTrees::set_prices(std::span<const double> prices) {
  const auto n = terminals_.size();
  hops_.assign(n * n, never);
  into_.assign(n * n, never);
  for (std::size_t i = 0; i < n; ++i) {
    if (representative_[i] == static_cast<int>(i)) find_paths(static_cast<int>(i), prices);
  }
}

// Dijkstra from a representative to the terminals that need no other between; its images have the same costs. A state is a node, twice where it
// matters from which side a path came; only the terminals' own first states are asked for. No path goes back where it came from: else it would turn
// around further in, and pass a host from NIC to NIC after all.
void HeightLimitedTrees::find_paths(int from, std::span<const double> prices) {
  using Entry = std::tuple<double, int, int>;  // cost, links, state
  const auto nodes = topology_.nodes().size();
  std::vector<std::pair<double, int>> best(2 * nodes, {never, 0});
  auto& last = last_step_[static_cast<std::size_t>(from)];
  last.assign(2 * nodes, {});
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
  const auto start = terminals_[static_cast<std::size_t>(from)];
  best[static_cast<std::size_t>(start)] = {0, 0};
  queue.emplace(0, 0, start);
  while (!queue.empty()) {
    const auto [cost, links, state] = queue.top();
    queue.pop();
    const NodeId at{state % static_cast<int>(nodes)};
    const auto place = static_cast<std::size_t>(state);
    if (best[place] < std::pair{cost, links} || (at.value != start && topology_.node(at).kind == NodeKind::gpu)) continue;
    const auto before = at.value == start ? at : start_of(LinkId{last[place].link});
    for (const auto id : is_inwards(direction_) ? topology_.in_links(at) : topology_.out_links(at)) {
      const auto to = is_inwards(direction_) ? topology_.link(id).from : topology_.link(id).to;
      if (to.value == start || to == before || (may_refuse_[at.index()] && refuses_passage(topology_, before, at, to))) continue;
      const auto next = to.index() + (may_refuse_[to.index()] && is_network(topology_.node(at).kind) ? nodes : 0);
      const std::pair there{cost + prices[id.index()], links + 1};
      if (there >= best[next]) continue;
      best[next] = there;
      last[next] = {id.value, state};
      queue.emplace(there.first, there.second, static_cast<int>(next));
    }
  }
  std::vector<double> costs;
  for (const auto t : terminals_) costs.push_back(best[static_cast<std::size_t>(t)].first);
  give_images(from, costs);
}

// The end of a link from which trees grow over it.
NodeId HeightLimitedTrees::start_of(LinkId id) const { return is_inwards(direction_) ? topology_.link(id).to : topology_.link(id).from; }

// The costs from a representative, by position, serve its images too.
void HeightLimitedTrees::give_images(int from, const std::vector<double>& costs) {
  for (std::size_t i = 0; i < terminals_.size(); ++i) {
    if (representative_[i] != from) continue;
    const auto& map = group_[static_cast<std::size_t>(element_[i])].nodes;
    for (std::size_t t = 0; t < terminals_.size(); ++t) {
      const auto to = static_cast<std::size_t>(position_[static_cast<std::size_t>(map[static_cast<std::size_t>(terminals_[t])])]);
      if (to == i) continue;
      hops_[i * terminals_.size() + to] = costs[t];
      into_[to * terminals_.size() + i] = costs[t];
    }
  }
}

void HeightLimitedTrees::path(int from, int to, std::vector<int>& links) const {
  links.clear();
  const auto element = static_cast<std::size_t>(element_[static_cast<std::size_t>(from)]);
  const auto representative = static_cast<std::size_t>(representative_[static_cast<std::size_t>(from)]);
  const auto& last = last_step_[representative];
  auto state = back_[element][static_cast<std::size_t>(terminals_[static_cast<std::size_t>(to)])];
  while (state != terminals_[representative]) {
    const auto& step = last[static_cast<std::size_t>(state)];
    links.push_back(group_[element].links[static_cast<std::size_t>(step.link)]);
    state = step.before;
  }
  std::ranges::reverse(links);
}

}  // namespace p2plab
