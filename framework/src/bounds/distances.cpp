// SPDX-License-Identifier: Apache-2.0
#include "bounds/distances.h"

#include <algorithm>
#include <deque>
#include <queue>

#include <fmt/format.h>

#include "p2plab/machine/topology_view.h"

namespace p2plab::bounds {

namespace {

// Transfers to each node: entering a GPU ends one. -1: out of reach.
std::vector<int> transfers_from(const Topology& topology, NodeId start) {
  std::vector<int> count(topology.nodes().size(), -1);
  std::deque<std::pair<int, NodeId>> queue{{0, start}};
  while (!queue.empty()) {
    const auto [steps, node] = queue.front();
    queue.pop_front();
    if (count[node.index()] >= 0) continue;
    count[node.index()] = steps;
    for (const auto id : topology.out_links(node)) {
      const auto to = topology.link(id).to;
      if (count[to.index()] >= 0) continue;
      if (topology.node(to).kind == NodeKind::gpu) {
        queue.emplace_back(steps + 1, to);
      } else {
        queue.emplace_front(steps, to);
      }
    }
  }
  return count;
}

std::vector<double> delays_from(const Topology& topology, NodeId start) {
  std::vector<double> delay(topology.nodes().size(), -1);
  std::priority_queue<std::pair<double, std::int32_t>> queue;  // minus the delay, so that the least comes first
  queue.emplace(0.0, start.value);
  while (!queue.empty()) {
    const auto [minus, value] = queue.top();
    const NodeId node{value};
    queue.pop();
    if (delay[node.index()] >= 0) continue;
    delay[node.index()] = -minus;
    for (const auto id : topology.out_links(node)) {
      const auto& link = topology.link(id);
      if (delay[link.to.index()] < 0) queue.emplace(minus - link.latency.count(), link.to.value);
    }
  }
  return delay;
}

Error unreachable(const Topology& topology, NodeId sender, NodeId receiver, const std::vector<int>& count) {
  std::vector<NodeId> reached;
  for (std::size_t n = 0; n < count.size(); ++n) {
    if (count[n] >= 0) reached.emplace_back(static_cast<std::int64_t>(n));
  }
  return {
      ErrorCode::unsupported,
      fmt::format("{} cannot be reached from {}, not even by relaying through other GPUs", topology.node(receiver).name, topology.node(sender).name),
      std::nullopt,
      {fmt::format("no link leads out of {{{}}}", set_of_names(topology, reached))}};
}

}  // namespace

Result<Distances> distances(const Topology& topology, std::span<const Block> blocks) {
  Distances most;
  const auto ranks = static_cast<std::size_t>(topology.ranks());
  std::vector<std::vector<bool>> wants(ranks);  // sender, receiver
  for (const auto& block : blocks) {
    if (block.share == 0) continue;
    for (const auto sender : block.contributors) {
      wants[sender.index()].resize(ranks);
      for (const auto receiver : block.receivers)
        wants[sender.index()][receiver.index()] = receiver != sender || wants[sender.index()][receiver.index()];
    }
  }
  for (std::size_t g = 0; g < ranks; ++g) {
    if (std::ranges::find(wants[g], true) == wants[g].end()) continue;
    const auto sender = topology.node_of(Rank{static_cast<std::int64_t>(g)});
    const auto count = transfers_from(topology, sender);
    const auto delay = delays_from(topology, sender);
    for (std::size_t r = 0; r < ranks; ++r) {
      if (!wants[g][r] || r == g) continue;
      const auto receiver = topology.node_of(Rank{static_cast<std::int64_t>(r)});
      if (count[receiver.index()] < 0) return unreachable(topology, sender, receiver, count);
      most.transfers = std::max(most.transfers, count[receiver.index()]);
      most.latency = std::max(most.latency, Seconds{delay[receiver.index()]});
    }
  }
  return most;
}

}  // namespace p2plab::bounds
