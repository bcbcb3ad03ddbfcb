// SPDX-License-Identifier: Apache-2.0
#include "exporters/nccl/rings.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include <fmt/format.h>

#include "p2plab/machine/routes.h"
#include "p2plab/schedule/step_reader.h"

namespace p2plab {

namespace {

constexpr std::int64_t most_ring_channels = 32;  // NCCL runs each twice, and has 64

Error no_graph(const std::string& what) { return Error{ErrorCode::unsupported, "NCCL graph: " + what}; }

// Who sends to whom on a channel, and the share of the data that it carries.
struct Channel {
  std::map<Rank, std::set<Rank>> next;
  std::map<Rank, std::set<Rank>> previous;
  std::int64_t weight = 0;
};

std::map<std::int32_t, Channel> ring_channels_of(const Schedule& schedule) {
  std::map<std::int32_t, Channel> channels;
  for (const auto& chunk : schedule.chunks()) channels[chunk.channel].weight += chunk.weight;
  std::map<std::pair<Rank, std::uint32_t>, std::int32_t> holds;  // rank and scratch slot -> channel of what lies there
  StepReader steps(schedule);
  for (StepId s{0}; s.index() < schedule.step_count(); ++s.value) {
    const auto step = steps(s);
    const auto& from = step.sources.front();
    const bool kept = from.buffer == Buffer::input || from.buffer == Buffer::output;
    const auto channel = kept ? schedule.chunks()[from.slot].channel : holds[{from.rank, from.slot}];
    const auto joins = [&](Rank a, Rank b) {
      if (a == b) return;
      channels[channel].next[a].insert(b);
      channels[channel].previous[b].insert(a);
    };
    for (const auto& source : step.sources) joins(source.rank, step.executor);
    for (const auto& d : step.destinations) {
      joins(step.executor, d.rank);
      if (d.buffer == Buffer::scratch || d.buffer == Buffer::host) holds[{d.rank, d.slot}] = channel;
    }
  }
  return channels;
}

// Along `next` from rank 0 until it closes; empty if a rank has not exactly one successor and one predecessor.
std::vector<Rank> ring_of(const Channel& channel, int ranks) {
  std::vector<Rank> order;
  for (Rank at{0}; order.empty() || at != Rank{0};) {
    const auto next = channel.next.find(at);
    if (next == channel.next.end() || next->second.size() != 1 || static_cast<int>(order.size()) == ranks) return {};
    order.push_back(at);
    at = *next->second.begin();
  }
  return static_cast<int>(order.size()) == ranks ? order : std::vector<Rank>{};
}

// A path whose neighbours send to each other both ways, from the end that gets the whole sum first.
std::vector<Rank> chain_of(const Channel& channel, int ranks) {
  if (channel.next != channel.previous) return {};
  std::vector<Rank> ends;
  for (const auto& [rank, peers] : channel.next) {
    if (peers.size() > 2) return {};
    if (peers.size() == 1) ends.push_back(rank);
  }
  if (ends.size() != 2) return {};
  std::vector<Rank> order{ends.front()};
  for (Rank before = ends.front(), at = *channel.next.at(ends.front()).begin();;) {
    order.push_back(at);
    const auto& peers = channel.next.at(at);
    const auto next = std::ranges::find_if(peers, [&](Rank peer) { return peer != before; });
    if (next == peers.end()) break;
    before = std::exchange(at, *next);
  }
  return static_cast<int>(order.size()) == ranks ? order : std::vector<Rank>{};
}

double share_of(LinkKind kind) {
  if (kind == LinkKind::nvlink) return 20.6 / 25;
  return kind == LinkKind::pcie ? 12 / 15.75 : 1;
}

std::string type_of(const Topology& topology, std::span<const LinkId> path) {
  int bridges = 0;
  int hosts = 0;
  bool pcie = false;
  for (const auto id : path) {
    const auto& link = topology.link(id);
    pcie = pcie || link.kind != LinkKind::nvlink;
    const auto kind = topology.node(link.to).kind;
    bridges += kind == NodeKind::pcie_switch ? 1 : 0;
    hosts += kind == NodeKind::host ? 1 : 0;
  }
  if (!pcie) return "NVL";
  if (hosts > 0) return hosts > 1 ? "SYS" : "PHB";
  return bridges > 1 ? "PXB" : "PIX";
}

void measure(const Topology& topology, NcclRings& rings) {
  const auto& routes = topology.routes();
  const std::vector<std::string> worse{"NVL", "PIX", "PXB", "PHB", "SYS"};
  std::map<LinkId, int> uses;
  rings.type = worse.front();
  const auto hop = [&](Rank from, Rank to) {
    const auto path = routes.between(from, to);
    for (const auto link : path) ++uses[link];
    rings.type = std::max(rings.type, type_of(topology, path),
                          [&](const auto& a, const auto& b) { return std::ranges::find(worse, a) < std::ranges::find(worse, b); });
  };
  for (const auto& order : rings.orders) {
    for (std::size_t i = 0; i + 1 < order.size(); ++i) {
      hop(order[i], order[i + 1]);
      if (rings.chain) hop(order[i + 1], order[i]);
    }
    if (!rings.chain) hop(order.back(), order.front());
  }
  rings.speed_gbps = std::numeric_limits<double>::infinity();
  for (const auto& [link, times] : uses)
    rings.speed_gbps = std::min(rings.speed_gbps, topology.link(link).bandwidth.gbps() * share_of(topology.link(link).kind) / times);
}

}  // namespace

std::vector<int> server_by_rank(const Topology& topology) {
  std::vector<std::size_t> group(topology.nodes().size());
  std::iota(group.begin(), group.end(), std::size_t{0});
  const auto root = [&](std::size_t node) {
    while (group[node] != node) node = group[node] = group[group[node]];
    return node;
  };
  for (const auto& link : topology.links()) {
    const bool network = link.kind == LinkKind::network || topology.node(link.from).kind == NodeKind::network_switch ||
                         topology.node(link.to).kind == NodeKind::network_switch;
    if (!network) group[root(link.from.index())] = root(link.to.index());
  }
  std::map<std::size_t, int> numbers;
  std::vector<int> servers;
  for (int r = 0; r < topology.ranks(); ++r)
    servers.push_back(numbers.try_emplace(root(topology.node_of(Rank{r}).index()), static_cast<int>(numbers.size())).first->second);
  return servers;
}

Result<NcclRings> nccl_rings(const Topology& topology, const Plan& plan) {
  const auto& schedule = plan.schedule;
  const auto ranks = schedule.ranks();
  if (ranks < 2) return no_graph("one GPU has no ring");
  if (static_cast<int>(schedule.collective().members.size()) != ranks) return no_graph("all GPUs must take part");
  const auto servers = server_by_rank(topology);
  if (std::ranges::any_of(servers, [](int server) { return server > 0; })) {
    return no_graph(fmt::format("the machine has {} servers; between them NCCL chooses networks itself", *std::ranges::max_element(servers) + 1));
  }
  NcclRings rings;
  std::vector<std::pair<std::vector<Rank>, std::int64_t>> found;
  std::int64_t unit = 0;
  for (const auto& [number, channel] : ring_channels_of(schedule)) {
    auto order = found.empty() || !rings.chain ? ring_of(channel, ranks) : std::vector<Rank>{};
    if (order.empty() && (found.empty() || rings.chain)) {
      order = chain_of(channel, ranks);
      rings.chain = !order.empty();
    }
    if (order.empty())
      return no_graph(
          fmt::format("channel {} of the {} plan is no {} through all {} ranks", number, plan.planner, rings.chain ? "chain" : "ring", ranks));
    found.emplace_back(std::move(order), channel.weight);
    unit = std::gcd(unit, channel.weight);
  }
  for (const auto& [order, weight] : found) {
    if (static_cast<std::int64_t>(rings.orders.size()) + weight / unit > most_ring_channels)
      return no_graph(fmt::format("the shares of its channels need more than {} equal ones", most_ring_channels));
    rings.orders.insert(rings.orders.end(), static_cast<std::size_t>(weight / unit), order);
  }
  measure(topology, rings);
  // A thread block cannot fill a wide link: NCCL gives a channel 20 to 45 GB/s, the more the newer its GPUs are.
  const auto total = rings.speed_gbps * static_cast<double>(rings.orders.size());
  const double channel_gbps = total >= 600 ? 45 : (total >= 300 ? 30 : 20);
  const auto most_copies = static_cast<std::size_t>(most_ring_channels) / rings.orders.size();
  const auto copies = std::clamp<std::size_t>(static_cast<std::size_t>(rings.speed_gbps / channel_gbps), 1, most_copies);
  const auto once = rings.orders;
  for (std::size_t copy = 1; copy < copies; ++copy) rings.orders.insert(rings.orders.end(), once.begin(), once.end());
  rings.speed_gbps /= static_cast<double>(copies);
  return rings;
}

}  // namespace p2plab
