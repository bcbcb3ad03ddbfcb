// SPDX-License-Identifier: Apache-2.0
#include "bounds/distances.h"

#include <algorithm>
#include <limits>
#include <queue>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "bounds/flow_graph.h"
#include "p2plab/machine/topology_view.h"

namespace p2plab::bounds {

namespace {

// The links out of every node with no more than is asked here: all of them are looked at for each sender.
class NodeDistances {
 public:
  explicit NodeDistances(const Topology& topology) {
    const auto nodes = topology.nodes().size();
    ends_.reserve(nodes + 1);
    out_links_.reserve(topology.links().size());
    for (std::size_t n = 0; n < nodes; ++n) {
      const NodeId node{static_cast<std::int64_t>(n)};
      is_gpu_.push_back(topology.node(node).kind == NodeKind::gpu ? 1 : 0);
      for (const auto id : topology.out_links(node)) out_links_.push_back({topology.link(id).to.value, topology.link(id).latency.count()});
      ends_.push_back(out_links_.size());
    }
  }

  // Transfers to each node: entering a GPU ends one. -1: out of reach. Valid until the next call.
  const std::vector<int>& transfers_from(NodeId start) {
    count_.assign(is_gpu_.size(), -1);
    nodes_.assign(1, start.value);
    for (int steps = 0; !nodes_.empty(); ++steps) {
      later_.clear();
      while (!nodes_.empty()) {
        const auto node = static_cast<std::size_t>(nodes_.back());
        nodes_.pop_back();
        if (count_[node] >= 0) continue;
        count_[node] = steps;
        for (const auto& link : out_of(node)) {
          const auto to = static_cast<std::size_t>(link.to);
          if (count_[to] < 0) (is_gpu_[to] ? later_ : nodes_).push_back(link.to);
        }
      }
      nodes_.swap(later_);
    }
    return count_;
  }

  // Least delays; -1: out of reach. Valid until the next call.
  const std::vector<double>& delays_from(NodeId start) {
    constexpr double far = std::numeric_limits<double>::infinity();
    delay_.assign(is_gpu_.size(), far);
    delay_[start.index()] = 0;
    std::priority_queue<std::pair<double, std::int32_t>> queue;  // minus the delay, so that the least comes first
    queue.emplace(0.0, start.value);
    while (!queue.empty()) {
      const auto [minus, value] = queue.top();
      const auto node = static_cast<std::size_t>(value);
      queue.pop();
      if (-minus > delay_[node]) continue;
      for (const auto& link : out_of(node)) {
        auto& known = delay_[static_cast<std::size_t>(link.to)];
        if (link.latency - minus >= known) continue;
        known = link.latency - minus;
        queue.emplace(-known, link.to);
      }
    }
    std::ranges::replace(delay_, far, -1.0);
    return delay_;
  }

 private:
  struct OutLink {
    std::int32_t to = 0;
    double latency = 0;
  };
  std::span<const OutLink> out_of(std::size_t node) const { return std::span{out_links_}.subspan(ends_[node], ends_[node + 1] - ends_[node]); }

  std::vector<char> is_gpu_;
  std::vector<OutLink> out_links_;
  std::vector<std::size_t> ends_ = {0};
  std::vector<int> count_;
  std::vector<double> delay_;
  std::vector<std::int32_t> nodes_;
  std::vector<std::int32_t> later_;
};

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

// Where all of many GPUs send to all others, those that the machine's symmetry maps onto each other are equally far: the first of each kind tells.
std::vector<bool> senders_that_tell(const Topology& topology, const std::vector<std::vector<bool>>& wants) {
  constexpr std::size_t many = 256;
  std::vector<bool> tell(wants.size(), true);
  const auto all_but_itself = [&](std::size_t g) { return std::cmp_equal(std::ranges::count(wants[g], true) + (wants[g][g] ? 0 : 1), wants.size()); };
  for (std::size_t g = 0; g < wants.size(); ++g) {
    if (wants.size() < many || wants[g].empty() || !all_but_itself(g)) return tell;
  }
  Demand all{std::vector<std::int64_t>(topology.nodes().size()), {}};
  for (std::size_t g = 0; g < wants.size(); ++g) {
    const auto node = topology.node_of(Rank{static_cast<std::int64_t>(g)});
    all.weights[node.index()] = 1;
    all.terminals.push_back(node.value);
  }
  tell.assign(wants.size(), false);
  for (const auto terminal : one_of_each_kind(topology, std::move(all)).terminals) tell[topology.rank_of(NodeId{terminal})->index()] = true;
  return tell;
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
  NodeDistances nearest(topology);
  const auto tells = senders_that_tell(topology, wants);
  for (std::size_t g = 0; g < ranks; ++g) {
    if (!tells[g] || std::ranges::find(wants[g], true) == wants[g].end()) continue;
    const auto sender = topology.node_of(Rank{static_cast<std::int64_t>(g)});
    const auto& count = nearest.transfers_from(sender);
    const auto& delay = nearest.delays_from(sender);
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
