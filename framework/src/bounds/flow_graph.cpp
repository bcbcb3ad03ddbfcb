// SPDX-License-Identifier: Apache-2.0
#include "bounds/flow_graph.h"

#include <algorithm>
#include <limits>

#include "p2plab/detail/symmetry.h"

namespace p2plab::bounds {

namespace {

constexpr std::size_t many_terminals = 128;

}  // namespace

FlowGraph flow_graph(const Topology& topology, bool reversed) {
  FlowGraph graph;
  graph.vertices = static_cast<int>(topology.nodes().size());
  std::int64_t unit = 0;
  for (const auto& link : topology.links()) unit = std::gcd(unit, link.bandwidth.bytes_per_second());
  graph.unit = std::max<std::int64_t>(unit, 1);
  for (std::size_t l = 0; l < topology.links().size(); ++l) {
    const auto& link = topology.links()[l];
    const auto from = reversed ? link.to : link.from;
    const auto to = reversed ? link.from : link.to;
    graph.arcs.push_back({from.value, to.value, link.bandwidth.bytes_per_second() / graph.unit, LinkId{static_cast<std::int64_t>(l)}});
  }
  return graph;
}

namespace {

// Weight and capacity of one set of vertices.
WorstCut measure(const FlowGraph& graph, const Demand& demand, const std::vector<bool>& inside) {
  WorstCut cut{0, 0, {}};
  for (std::size_t v = 0; v < inside.size(); ++v) {
    if (!inside[v]) continue;
    cut.weight += demand.weights[v];
    cut.nodes.emplace_back(static_cast<std::int64_t>(v));
  }
  for (const auto& arc : graph.arcs) {
    if (inside[static_cast<std::size_t>(arc.from)] && !inside[static_cast<std::size_t>(arc.to)]) cut.capacity += arc.capacity;
  }
  return cut;
}

bool worse(const WorstCut& a, const WorstCut& b) { return static_cast<Int128>(a.weight) * b.capacity > static_cast<Int128>(b.weight) * a.capacity; }

// Everything but one terminal: near the answer on most machines, so a good start.
WorstCut worst_single(const FlowGraph& graph, const Demand& demand) {
  std::vector<std::int64_t> in(static_cast<std::size_t>(graph.vertices));
  for (const auto& arc : graph.arcs) in[static_cast<std::size_t>(arc.to)] += arc.capacity;
  const auto total = std::accumulate(demand.weights.begin(), demand.weights.end(), std::int64_t{0});
  WorstCut worst;
  int which = -1;
  for (const auto t : demand.terminals) {
    const auto place = static_cast<std::size_t>(t);
    const WorstCut cut{total - demand.weights[place], in[place], {}};
    if (cut.weight == 0 || !worse(cut, worst)) continue;
    worst = cut;
    which = t;
  }
  if (which < 0) return worst;
  std::vector<bool> inside(static_cast<std::size_t>(graph.vertices), true);
  inside[static_cast<std::size_t>(which)] = false;
  return measure(graph, demand, inside);
}

// Does a terminal get all that is wanted, at the rate of the cut at hand? Looked at from the terminal: where another one is met that does, all of it
// is to be had there, since a set that lets out too little holds that one, too. So on a large machine few vertices are looked at.
template <class Amount>
class NearFlow {
 public:
  NearFlow(const FlowGraph& graph, const Demand& demand)
      : graph_(graph), demand_(demand), flow_(graph.vertices + 1), gets_all_(demand.weights.size()), ends_(demand.weights.size(), -1) {
    for (const auto& arc : graph.arcs) flow_.add_arc(arc.to, arc.from, 0);
    for (const auto t : demand.terminals) ends_[static_cast<std::size_t>(t)] = 0;
    for (std::size_t v = 0; v < ends_.size(); ++v) {
      if (demand.weights[v] > 0 || ends_[v] == 0) ends_[v] = flow_.add_arc(static_cast<int>(v), graph.vertices, 0);
      total_ += demand.weights[v];
    }
  }

  void take(const WorstCut& cut) {
    wanted_ = total_ * cut.capacity;
    for (std::size_t a = 0; a < graph_.arcs.size(); ++a)
      flow_.set_capacity(static_cast<int>(a), static_cast<Amount>(graph_.arcs[a].capacity) * cut.weight);
    for (std::size_t v = 0; v < ends_.size(); ++v) {
      if (ends_[v] >= 0) flow_.set_capacity(ends_[v], gets_all_[v] ? wanted_ : static_cast<Amount>(demand_.weights[v]) * cut.capacity);
    }
  }

  bool gets_all(int terminal) {
    if (flow_.run(terminal, graph_.vertices, wanted_) < wanted_) return false;
    const auto place = static_cast<std::size_t>(terminal);
    gets_all_[place] = true;
    flow_.set_capacity(ends_[place], wanted_);
    return true;
  }

 private:
  const FlowGraph& graph_;
  const Demand& demand_;
  MaxFlow<Amount> flow_;
  std::vector<bool> gets_all_;  // by vertex
  std::vector<int> ends_;       // by vertex: the arc over which data is there for the taking; -1: none
  Amount total_ = 0;
  Amount wanted_ = 0;
};

// Newton's iteration: take the cut at hand as the answer; a terminal that gets too little at that rate shows a worse one. One that gets enough at
// some rate does so at all lower ones.
template <class Amount>
WorstCut iterate(const FlowGraph& graph, const Demand& demand, WorstCut worst, const std::function<bool()>& stop) {
  const int source = graph.vertices;
  MaxFlow<Amount> flow(graph.vertices + 1);
  for (const auto& arc : graph.arcs) flow.add_arc(arc.from, arc.to, 0);
  std::vector<int> starts;
  Amount total = 0;
  for (int v = 0; v < graph.vertices; ++v) {
    const auto weight = demand.weights[static_cast<std::size_t>(v)];
    if (weight == 0) continue;
    flow.add_arc(source, v, 0);
    starts.push_back(v);
    total += weight;
  }
  const auto cut_before = [&](int terminal) {
    for (std::size_t a = 0; a < graph.arcs.size(); ++a)
      flow.set_capacity(static_cast<int>(a), static_cast<Amount>(graph.arcs[a].capacity) * worst.weight);
    for (std::size_t i = 0; i < starts.size(); ++i) {
      flow.set_capacity(static_cast<int>(graph.arcs.size() + i),
                        static_cast<Amount>(demand.weights[static_cast<std::size_t>(starts[i])]) * worst.capacity);
    }
    flow.run(source, terminal, total * worst.capacity);
    std::vector<bool> inside(static_cast<std::size_t>(graph.vertices));
    for (int v = 0; v < graph.vertices; ++v) inside[static_cast<std::size_t>(v)] = flow.on_source_side(v);
    return measure(graph, demand, inside);
  };
  NearFlow<Amount> near(graph, demand);
  near.take(worst);
  for (auto open = demand.terminals; !open.empty();) {
    std::vector<int> again;
    for (const auto terminal : open) {
      if (worst.capacity == 0 || (stop && stop())) return worst;
      if (near.gets_all(terminal)) continue;
      worst = cut_before(terminal);
      near.take(worst);
      again.push_back(terminal);
    }
    open = std::move(again);
  }
  return worst;
}

}  // namespace

WorstCut worst_cut(const FlowGraph& graph, const Demand& demand, const std::function<bool()>& stop) {
  auto worst = worst_single(graph, demand);
  if (worst.weight == 0 || worst.capacity == 0) return worst;
  Int128 capacity = 0;
  Int128 weight = 0;
  for (const auto& arc : graph.arcs) capacity += arc.capacity;
  for (const auto w : demand.weights) weight += w;
  const bool fits = capacity * weight < std::numeric_limits<std::int64_t>::max() / 4;
  return fits ? iterate<std::int64_t>(graph, demand, std::move(worst), stop) : iterate<Int128>(graph, demand, std::move(worst), stop);
}

Demand one_of_each_kind(const Topology& topology, Demand demand) {
  if (demand.terminals.size() < many_terminals) return demand;
  std::vector<std::int64_t> marks(topology.nodes().size());
  for (std::size_t v = 0; v < marks.size(); ++v) marks[v] = 2 * demand.weights[v];
  for (const auto t : demand.terminals) ++marks[static_cast<std::size_t>(t)];
  const auto generators = symmetry_generators(topology, marks);
  std::vector<const std::vector<std::int32_t>*> images;
  for (const auto& generator : generators) images.push_back(&generator.nodes);
  const auto orbit = orbits(marks.size(), images);
  std::vector<bool> known(marks.size());
  std::vector<int> terminals;
  for (const auto t : demand.terminals) {
    const auto kind = static_cast<std::size_t>(orbit[static_cast<std::size_t>(t)]);
    if (!known[kind]) terminals.push_back(t);
    known[kind] = true;
  }
  demand.terminals = std::move(terminals);
  return demand;
}

bool switches_pass_all(const Topology& topology, bool reversed) {
  std::vector<std::int64_t> kept(topology.nodes().size());  // bandwidth in less bandwidth out
  for (const auto& link : topology.links()) {
    kept[link.to.index()] += link.bandwidth.bytes_per_second();
    kept[link.from.index()] -= link.bandwidth.bytes_per_second();
  }
  for (std::size_t n = 0; n < kept.size(); ++n) {
    if (topology.nodes()[n].kind != NodeKind::gpu && (reversed ? kept[n] > 0 : kept[n] < 0)) return false;
  }
  return true;
}

Seconds least_latency(const Topology& topology, const std::vector<NodeId>& nodes, bool reversed) {
  std::vector<bool> inside(topology.nodes().size());
  for (const auto node : nodes) inside[node.index()] = true;
  std::optional<Seconds> least;
  for (const auto& link : topology.links()) {
    const auto from = reversed ? link.to : link.from;
    const auto to = reversed ? link.from : link.to;
    if (inside[from.index()] && !inside[to.index()] && (!least || link.latency < *least)) least = link.latency;
  }
  return least.value_or(Seconds{0});
}

}  // namespace p2plab::bounds
