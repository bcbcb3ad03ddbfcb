// SPDX-License-Identifier: Apache-2.0
#include "exporters/messages/message_ports.h"

#include <algorithm>
#include <set>
#include <vector>

#include "p2plab/machine/routes.h"

namespace p2plab {

MessagePorts::MessagePorts(const Topology& topology) : topology_(topology), routes_(topology.routes()) {
  std::set<std::pair<NodeId, NodeId>> joined;  // a switch before the GPUs at it, so that it gets one number at all of them
  for (const auto& link : topology.links()) {
    const auto from = topology.rank_of(link.from);
    const auto to = topology.rank_of(link.to);
    if (from && to) joined.emplace(std::min(link.from, link.to), std::max(link.from, link.to));
    if (!from && to) joined.emplace(link.from, link.to);
    if (from && !to) joined.emplace(link.to, link.from);
  }
  std::map<NodeId, std::set<std::int32_t>> taken;  // by GPU
  const auto free_at = [&](const std::vector<NodeId>& gpus) {
    std::int32_t number = 0;
    while (std::ranges::any_of(gpus, [&](NodeId gpu) { return taken[gpu].contains(number); })) ++number;
    return number;
  };
  const auto give = [&](NodeId gpu, NodeId neighbour, std::int32_t number) {
    taken[gpu].insert(number);
    ports_[{gpu, neighbour}] = number;
    count_ = std::max(count_, static_cast<int>(number) + 1);
  };
  for (auto first = joined.begin(); first != joined.end();) {
    const auto last = std::find_if(first, joined.end(), [&](const auto& pair) { return pair.first != first->first; });
    if (!topology.rank_of(first->first)) {
      std::vector<NodeId> gpus;
      for (auto pair = first; pair != last; ++pair) gpus.push_back(pair->second);
      const auto number = free_at(gpus);
      for (const auto gpu : gpus) give(gpu, first->first, number);
    }
    first = last;
  }
  for (const auto& [a, b] : joined) {
    if (!topology.rank_of(a)) continue;
    const auto number = free_at({a, b});
    give(a, b, number);
    give(b, a, number);
  }
}

MessagePorts::Ends MessagePorts::of(Rank from, Rank to, std::span<const LinkId> links) const {
  if (links.empty()) links = routes_.between(from, to);
  if (links.empty()) return {};  // a signal against the direction of a one-way link
  const auto leaves = ports_.find({topology_.node_of(from), topology_.link(links.front()).to});
  const auto enters = ports_.find({topology_.node_of(to), topology_.link(links.back()).from});
  return {leaves == ports_.end() ? 0 : leaves->second, enters == ports_.end() ? 0 : enters->second};
}

}  // namespace p2plab
