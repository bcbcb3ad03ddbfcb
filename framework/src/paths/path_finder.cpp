// SPDX-License-Identifier: Apache-2.0
#include "paths/path_finder.h"

#include <algorithm>
#include <functional>
#include <optional>

#include <boost/graph/dijkstra_shortest_paths.hpp>
#include <boost/graph/filtered_graph.hpp>
#include <boost/property_map/function_property_map.hpp>

#include "p2plab/detail/passage.h"
#include "paths/pcie_tree.h"

namespace p2plab {

namespace {

bool is_fabric(NodeKind kind) { return kind == NodeKind::gpu || kind == NodeKind::nvswitch; }

// Where a path is, as far as its past matters: not yet on a network, at a NIC on the way out, on a network, in the server of its end.
namespace stage {
constexpr std::size_t before = 0;
constexpr std::size_t going_out = 1;
constexpr std::size_t on_network = 2;
constexpr std::size_t arrived = 3;
constexpr std::size_t count = 4;
}  // namespace stage

// The stage after a link, none if a path may not go on that way.
std::optional<std::size_t> next_stage(const Topology& topology, const Link& link, std::size_t at) {
  const auto from = topology.node(link.from).kind;
  const auto to = topology.node(link.to).kind;
  if (from == NodeKind::gpu && at != stage::before) return std::nullopt;
  switch (at) {
    case stage::before:
      if (is_network(from)) return std::nullopt;
      if (to == NodeKind::nic) return stage::going_out;
      return is_network(to) ? stage::on_network : stage::before;
    case stage::going_out: return is_network(from) && is_network(to) ? std::optional<std::size_t>{stage::on_network} : std::nullopt;
    case stage::on_network:
      if (!is_network(from)) return std::nullopt;
      return is_network(to) ? stage::on_network : stage::arrived;
    default: return is_network(from) || is_network(to) ? std::nullopt : std::optional<std::size_t>{stage::arrived};
  }
}

// Could a path go back at a host or PCIe switch from one NIC to another, or at a NIC back into its own server?
bool past_matters(const Topology& topology) {
  for (std::size_t i = 0; i < topology.nodes().size(); ++i) {
    const NodeId node{static_cast<std::int64_t>(i)};
    const auto kind = topology.node(node).kind;
    if (kind == NodeKind::gpu || kind == NodeKind::network_switch) continue;
    const bool at_nic = kind == NodeKind::nic;
    const auto others =
        std::ranges::count_if(topology.out_links(node), [&](LinkId id) { return is_network(topology.node(topology.link(id).to).kind) != at_nic; });
    if (others > 1) return true;
  }
  return false;
}

// Does a path go down in a PCIe tree? 0: not yet. None if it may not go on that way. What leaves PCIe may go up a tree again.
std::optional<std::size_t> next_direction(const PcieTree& tree, const Link& link, std::size_t down) {
  const auto step = tree.step(link);
  if (!step) return 0;
  if (*step == PcieStep::up) return down == 0 ? std::optional<std::size_t>{0} : std::nullopt;
  return 1;
}

bool within(const Topology& topology, const Link& link, Reach reach) {
  const auto from = topology.node(link.from).kind;
  const auto to = topology.node(link.to).kind;
  switch (reach) {
    case Reach::fabric: return is_fabric(from) && is_fabric(to) && link.kind != LinkKind::network && link.kind != LinkKind::pcie;
    case Reach::server: return !is_network(from) && !is_network(to) && link.kind != LinkKind::network;
    case Reach::anywhere: return true;
  }
  return true;
}

// Links that a path from `source` may use: at least `width` wide, and out of a GPU only if it is the source (GPUs never forward).
struct Usable {
  const Topology* topology = nullptr;
  const ParallelLinks* parallel = nullptr;
  const TopologyGraph* graph = nullptr;
  NodeId source;
  std::int64_t width = 0;
  template <class Edge>
  bool operator()(const Edge& edge) const {
    const auto& link = topology->link((*graph)[edge]);
    return parallel->together((*graph)[edge]).bytes_per_second() >= width && (link.from == source || topology->node(link.from).kind != NodeKind::gpu);
  }
};

// Remembers the link and the vertex by which each vertex was last improved, and whether another link is as good.
template <class Tree>
struct TreeRecorder : boost::default_dijkstra_visitor {
  Tree* tree = nullptr;
  const std::vector<PathDelay>* delays = nullptr;
  const std::vector<PathDelay>* weights = nullptr;
  template <class Edge, class Graph>
  void edge_relaxed(const Edge& edge, const Graph& graph) const {
    const auto to = target(edge, graph);
    tree->links[to] = graph[edge];
    tree->parents[to] = source(edge, graph);
    tree->tied[to] = false;
  }
  template <class Edge, class Graph>
  void edge_not_relaxed(const Edge& edge, const Graph& graph) const {
    const auto& before = (*delays)[source(edge, graph)];
    const auto& weight = (*weights)[graph[edge].index()];
    const auto to = target(edge, graph);
    if (PathDelay{before.first + weight.first, before.second + weight.second} == (*delays)[to]) tree->tied[to] = true;
  }
};

}  // namespace

PathFinder::PathFinder(const Topology& topology, Reach reach) : topology_(topology), parallel_(topology) {
  const auto nodes = topology.nodes().size();
  const auto networks = reach == Reach::anywhere && past_matters(topology) ? stage::count : 1;
  const PcieTree tree(topology);
  stages_ = networks * (reach != Reach::fabric && tree.branches() ? 2 : 1);
  graph_ = TopologyGraph(nodes * stages_);
  for (std::size_t at = 0; at < stages_; ++at) {
    for (std::size_t i = 0; i < topology.links().size(); ++i) {
      const auto& link = topology.links()[i];
      const auto network = networks > 1 ? next_stage(topology, link, at % networks) : std::optional<std::size_t>{0};
      const auto down = stages_ > networks ? next_direction(tree, link, at / networks) : std::optional<std::size_t>{0};
      if (!network || !down || !within(topology, link, reach)) continue;
      const auto next = *down * networks + *network;
      boost::add_edge(at * nodes + link.from.index(), next * nodes + link.to.index(), LinkId{static_cast<std::int64_t>(i)}, graph_);
    }
  }
}

bool PathFinder::leaves(NodeId source) const { return boost::out_degree(source.index(), graph_) > 0; }

void PathFinder::start(NodeId source) {
  source_ = source;
  trees_.clear();
  widths_.assign(boost::num_vertices(graph_), 0);
  std::vector<std::int64_t> weights;  // minus the bandwidth, so that the least of the greatest is the widest
  for (std::size_t l = 0; l < topology_.links().size(); ++l)
    weights.push_back(-parallel_.together(LinkId{static_cast<std::int64_t>(l)}).bytes_per_second());
  run(
      0, weights, widths_, -std::numeric_limits<std::int64_t>::max(), std::int64_t{0},
      [](std::int64_t path, std::int64_t link) { return std::max(path, link); }, boost::default_dijkstra_visitor{});
}

std::size_t PathFinder::vertex_of(NodeId node) const {
  auto best = node.index();
  for (std::size_t at = 1; at < stages_; ++at) {
    const auto vertex = at * topology_.nodes().size() + node.index();
    if (widths_[vertex] < widths_[best]) best = vertex;
  }
  return best;
}

std::int64_t PathFinder::width_to(NodeId target) const {
  return target == source_ ? std::numeric_limits<std::int64_t>::max() : -widths_[vertex_of(target)];
}

std::vector<LinkId> PathFinder::path_to(NodeId target) {
  const auto end = vertex_of(target);
  const auto width = -widths_[end];
  if (target == source_ || width == 0) return {};
  auto& tree = trees_[width];
  if (tree.links.empty()) tree = quickest_tree(width);
  only_one_ = true;
  std::vector<LinkId> path;
  for (auto vertex = end; vertex != source_.index(); vertex = tree.parents[vertex]) {
    path.push_back(tree.links[vertex]);
    only_one_ = only_one_ && !tree.tied[vertex];
  }
  std::ranges::reverse(path);
  return path;
}

PathDelay PathFinder::delay_of(const std::vector<LinkId>& path) const {
  PathDelay delay{0, 0};
  for (const auto link : path) delay = {delay.first + to_sim_time(topology_.link(link).latency).count(), delay.second + 1};
  return delay;
}

PathFinder::Tree PathFinder::quickest_tree(std::int64_t width) {
  const auto vertices = boost::num_vertices(graph_);
  Tree tree{std::vector<LinkId>(vertices), std::vector<std::size_t>(vertices), std::vector<bool>(vertices)};
  std::vector<PathDelay> weights;
  for (const auto& link : topology_.links()) weights.emplace_back(to_sim_time(link.latency).count(), 1);
  std::vector<PathDelay> delays(vertices);
  TreeRecorder<Tree> recorder;
  recorder.tree = &tree;
  recorder.delays = &delays;
  recorder.weights = &weights;
  run(
      width, weights, delays, PathDelay{0, 0}, PathDelay{std::numeric_limits<std::int64_t>::max(), 0},
      [](const PathDelay& a, const PathDelay& b) {
        return PathDelay{a.first + b.first, a.second + b.second};
      },
      recorder);
  return tree;
}

template <class Cost, class Combine, class Visitor>
void PathFinder::run(std::int64_t width, const std::vector<Cost>& weights, std::vector<Cost>& costs, Cost zero, Cost infinity, Combine combine,
                     Visitor visitor) {
  const boost::filtered_graph usable(graph_, Usable{&topology_, &parallel_, &graph_, source_, width});
  boost::dijkstra_shortest_paths(
      usable, source_.index(),
      boost::weight_map(boost::make_function_property_map<TopologyGraph::edge_descriptor>(
                            [&](const TopologyGraph::edge_descriptor& edge) -> const Cost& { return weights[graph_[edge].index()]; }))
          .distance_map(boost::make_iterator_property_map(costs.begin(), boost::get(boost::vertex_index, graph_)))
          .distance_compare(std::less<Cost>{})
          .distance_combine(combine)
          .distance_inf(infinity)
          .distance_zero(zero)
          .visitor(visitor));
}

}  // namespace p2plab
