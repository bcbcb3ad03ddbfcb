// SPDX-License-Identifier: Apache-2.0
#include "p2plab/machine/cuts.h"

#include <algorithm>
#include <limits>
#include <map>

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/push_relabel_max_flow.hpp>

#include "p2plab/machine/routes.h"

namespace p2plab {

namespace {

using Traits = boost::adjacency_list_traits<boost::vecS, boost::vecS, boost::directedS>;
using FlowEdge =
    boost::property<boost::edge_capacity_t, std::int64_t,
                    boost::property<boost::edge_residual_capacity_t, std::int64_t, boost::property<boost::edge_reverse_t, Traits::edge_descriptor>>>;
using FlowGraph = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS, boost::no_property, FlowEdge>;

// The topology as a flow network: vertex i is node i; a node with limits gets a vertex of its own for what enters and for what leaves.
class FlowNetwork {
 public:
  explicit FlowNetwork(const Topology& topology) : nodes_(topology.nodes().size()), graph_(nodes_ + 2) {
    std::vector<std::size_t> entry(nodes_);
    std::vector<std::size_t> exit(nodes_);
    for (std::size_t i = 0; i < nodes_; ++i) {
      const auto& node = topology.nodes()[i];
      entry[i] = node.ingress ? boost::add_vertex(graph_) : i;
      exit[i] = node.egress ? boost::add_vertex(graph_) : i;
      if (node.ingress) add(entry[i], i, node.ingress->bytes_per_second());
      if (node.egress) add(i, exit[i], node.egress->bytes_per_second());
    }
    for (const auto& link : topology.links()) {
      add(exit[link.from.index()], entry[link.to.index()], link.bandwidth.bytes_per_second());
    }
    for (std::int64_t r = 0; r < topology.ranks(); ++r) {
      const auto gpu = topology.node_of(Rank{r}).index();
      sources_.push_back(add(source(), gpu, 0).first);
      sinks_.push_back(add(gpu, sink(), 0).first);
    }
  }

  // All links `scale` times as wide, those above `most` as wide as that: no more flows than is fed.
  void scale(std::int64_t scale, std::int64_t most) {
    for (const auto& [edge, capacity] : capacities_)
      boost::put(boost::edge_capacity, graph_, edge, capacity > most / scale ? most : capacity * scale);
  }
  void feed(Rank rank, std::int64_t capacity) { boost::put(boost::edge_capacity, graph_, sources_[rank.index()], capacity); }
  void drain(Rank rank, std::int64_t capacity) { boost::put(boost::edge_capacity, graph_, sinks_[rank.index()], capacity); }

  std::int64_t flow() { return boost::push_relabel_max_flow(graph_, source(), sink()); }

  // After `flow`: for each node, is it on the source's side of the minimum cut nearest to the source?
  std::vector<bool> source_side() const {
    std::vector<bool> reached(boost::num_vertices(graph_));
    std::vector<std::size_t> open{source()};
    reached[source()] = true;
    while (!open.empty()) {
      const auto vertex = open.back();
      open.pop_back();
      for (auto [edge, end] = boost::out_edges(vertex, graph_); edge != end; ++edge) {
        const auto next = boost::target(*edge, graph_);
        if (reached[next] || boost::get(boost::edge_residual_capacity, graph_, *edge) == 0) continue;
        reached[next] = true;
        open.push_back(next);
      }
    }
    reached.resize(nodes_);
    return reached;
  }

 private:
  std::size_t source() const { return nodes_; }
  std::size_t sink() const { return nodes_ + 1; }

  std::pair<Traits::edge_descriptor, Traits::edge_descriptor> add(std::size_t from, std::size_t to, std::int64_t capacity) {
    const auto there = boost::add_edge(from, to, graph_).first;
    const auto back = boost::add_edge(to, from, graph_).first;
    boost::put(boost::edge_reverse, graph_, there, back);
    boost::put(boost::edge_reverse, graph_, back, there);
    boost::put(boost::edge_capacity, graph_, there, capacity);
    boost::put(boost::edge_capacity, graph_, back, 0);
    if (capacity > 0) capacities_.emplace_back(there, capacity);
    return {there, back};
  }

  std::size_t nodes_;
  FlowGraph graph_;
  std::vector<std::pair<Traits::edge_descriptor, std::int64_t>> capacities_;
  std::vector<Traits::edge_descriptor> sources_;
  std::vector<Traits::edge_descriptor> sinks_;
};

// The sum over links, no group counted with more than its budget.
std::int64_t capacity_of(const Topology& topology, std::span<const LinkId> links) {
  std::vector<const MachineLimit*> groups;
  std::vector<std::int64_t> left;
  for (const auto& limit : topology.limits()) {
    if (limit.kind != MachineLimit::Kind::group) continue;
    groups.push_back(&limit);
    left.push_back(limit.bandwidth.bytes_per_second());
  }
  std::int64_t sum = 0;
  for (const auto id : links) {
    auto part = topology.link(id).bandwidth.bytes_per_second();
    for (std::size_t g = 0; g < left.size(); ++g) {
      if (std::ranges::find(groups[g]->links, id) == groups[g]->links.end()) continue;
      part = std::min(part, left[g]);
      left[g] -= part;
    }
    sum += part;
  }
  return sum;
}

Cut make_cut(const Topology& topology, const std::vector<bool>& in_set, std::int64_t capacity) {
  Cut cut;
  cut.capacity = Bandwidth::bytes_per_second(capacity);
  for (std::size_t i = 0; i < in_set.size(); ++i) {
    const NodeId node{static_cast<std::int64_t>(i)};
    if (in_set[i]) cut.nodes.push_back(node);
    if (const auto rank = topology.rank_of(node)) (in_set[i] ? cut.inside : cut.outside).push_back(*rank);
  }
  for (std::size_t i = 0; i < topology.links().size(); ++i) {
    const auto& link = topology.links()[i];
    if (in_set[link.from.index()] && !in_set[link.to.index()]) cut.links.emplace_back(static_cast<std::int64_t>(i));
  }
  return cut;
}

// The cut around everything but the GPU that receives least: the first guess, and most often the answer.
Cut all_but_one(const Topology& topology) {
  auto least = std::numeric_limits<std::int64_t>::max();
  NodeId worst;
  for (std::int64_t r = 0; r < topology.ranks(); ++r) {
    const auto gpu = topology.node_of(Rank{r});
    std::int64_t sum = 0;
    for (const auto link : topology.in_links(gpu)) sum += topology.link(link).bandwidth.bytes_per_second();
    if (const auto limit = topology.node(gpu).ingress) sum = std::min(sum, limit->bytes_per_second());
    if (sum < least) {
      least = sum;
      worst = gpu;
    }
  }
  std::vector<bool> in_set(topology.nodes().size(), true);
  in_set[worst.index()] = false;
  return make_cut(topology, in_set, least);
}

// A cut with more GPUs inside per bandwidth out than `best`, if there is one. Every GPU is fed x = capacity/inside; if some sink cannot take n x, the
// minimum cut around the source has inside'/capacity' > inside/capacity. All scaled by `inside`, so that everything is whole.
std::optional<Cut> improve(const Topology& topology, FlowNetwork& network, const Cut& best) {
  const auto inside = static_cast<std::int64_t>(best.inside.size());
  const auto capacity = best.capacity.bytes_per_second();
  const std::int64_t ranks = topology.ranks();
  network.scale(inside, ranks * capacity);  // which the machine's links carry together
  for (std::int64_t r = 0; r < ranks; ++r) network.feed(Rank{r}, capacity);
  for (std::int64_t r = 0; r < ranks; ++r) {
    network.drain(Rank{r}, ranks * capacity);
    const auto flow = network.flow();
    network.drain(Rank{r}, 0);
    if (flow == ranks * capacity) continue;
    const auto in_set = network.source_side();
    std::int64_t fed = 0;
    for (std::int64_t s = 0; s < ranks; ++s) fed += in_set[topology.node_of(Rank{s}).index()] ? 1 : 0;
    return make_cut(topology, in_set, (flow - (ranks - fed) * capacity) / inside);
  }
  return std::nullopt;
}

}  // namespace

std::optional<Cut> bottleneck_cut(const Topology& topology) {
  if (topology.ranks() < 2) return std::nullopt;
  FlowNetwork network(topology);
  auto best = all_but_one(topology);
  while (best.capacity > Bandwidth{}) {
    auto better = improve(topology, network, best);
    if (!better) break;
    best = *std::move(better);
  }
  return best;
}

Bandwidth capacity_between(const Topology& topology, std::span<const Rank> from, std::span<const Rank> to) {
  expects(!from.empty() && !to.empty());
  FlowNetwork network(topology);
  const auto sum = [&](std::span<const LinkId> links) {
    std::int64_t all = 0;
    for (const auto link : links) all += topology.link(link).bandwidth.bytes_per_second();
    return all;
  };
  for (const auto rank : from) network.feed(rank, sum(topology.out_links(topology.node_of(rank))));
  for (const auto rank : to) network.drain(rank, sum(topology.in_links(topology.node_of(rank))));
  return Bandwidth::bytes_per_second(network.flow());
}

std::vector<Degree> degrees(const Topology& topology) {
  std::vector<Degree> all;
  for (std::int64_t r = 0; r < topology.ranks(); ++r) {
    const auto gpu = topology.node_of(Rank{r});
    const auto& node = topology.node(gpu);
    auto out = Bandwidth::bytes_per_second(capacity_of(topology, topology.out_links(gpu)));
    auto in = Bandwidth::bytes_per_second(capacity_of(topology, topology.in_links(gpu)));
    all.push_back({node.egress ? std::min(out, *node.egress) : out, node.ingress ? std::min(in, *node.ingress) : in});
  }
  return all;
}

std::vector<Asymmetry> asymmetries(const Topology& topology) {
  std::map<std::pair<NodeId, NodeId>, Bandwidth> sums;
  for (const auto& link : topology.links()) sums[{link.from, link.to}] += link.bandwidth;
  std::vector<Asymmetry> all;
  for (const auto& [pair, forward] : sums) {
    const auto back = sums.find({pair.second, pair.first});
    const auto backward = back == sums.end() ? Bandwidth{} : back->second;
    if (forward > backward) all.push_back({pair.first, pair.second, forward, backward});
  }
  return all;
}

std::vector<std::pair<Rank, Rank>> unconnected_pairs(const Topology& topology) {
  const auto& routes = topology.routes();
  const int ranks = topology.ranks();
  std::vector<std::pair<Rank, Rank>> pairs;
  for (std::int64_t a = 0; a < ranks; ++a) {
    for (std::int64_t b = 0; b < ranks; ++b) {
      if (!routes.connected(Rank{a}, Rank{b})) pairs.emplace_back(Rank{a}, Rank{b});
    }
  }
  return pairs;
}

}  // namespace p2plab
