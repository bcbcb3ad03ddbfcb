// SPDX-License-Identifier: Apache-2.0
#include "p2plab/machine/routes.h"

#include <algorithm>
#include <limits>
#include <map>

#include <boost/graph/dijkstra_shortest_paths.hpp>
#include <boost/graph/filtered_graph.hpp>
#include <boost/property_map/function_property_map.hpp>

#include "p2plab/machine/topology_graph.h"

namespace p2plab {

namespace {

// Links that a path from `source` may use: at least `width` wide, and out of a GPU only if it is the source (GPUs never forward).
struct Usable {
  const Topology* topology = nullptr;
  const TopologyGraph* graph = nullptr;
  NodeId source;
  std::int64_t width = 0;
  template <class Edge>
  bool operator()(const Edge& edge) const {
    const auto& link = topology->link((*graph)[edge]);
    return link.bandwidth.bytes_per_second() >= width && (link.from == source || topology->node(link.from).kind != NodeKind::gpu);
  }
};

// Latency in picoseconds, then number of links.
using Delay = std::pair<std::int64_t, std::int64_t>;

// Remembers the link by which each node was last improved.
struct TreeRecorder : boost::default_dijkstra_visitor {
  std::vector<LinkId>* tree = nullptr;
  template <class Edge, class Graph>
  void edge_relaxed(const Edge& edge, const Graph& graph) const {
    (*tree)[target(edge, graph)] = graph[edge];
  }
};

// Paths out of one node, in two passes: how wide a path to each node can be at best, then, for each such width, the quickest path at least as
// wide. One pass would not do: a wide but slow beginning hides a quicker one that the bottleneck further on makes just as wide.
class PathFinder {
 public:
  explicit PathFinder(const Topology& topology) : topology_(topology), graph_(make_graph(topology)) {}

  void start(NodeId source) {
    source_ = source;
    trees_.clear();
    widths_.assign(topology_.nodes().size(), 0);
    std::vector<std::int64_t> weights;  // minus the bandwidth, so that the least of the greatest is the widest
    for (const auto& link : topology_.links()) weights.push_back(-link.bandwidth.bytes_per_second());
    run(
        0, weights, widths_, -std::numeric_limits<std::int64_t>::max(), std::int64_t{0},
        [](std::int64_t path, std::int64_t link) { return std::max(path, link); }, boost::default_dijkstra_visitor{});
  }

  std::vector<LinkId> path_to(NodeId target) {
    const auto width = -widths_[target.index()];
    if (target == source_ || width == 0) return {};
    auto& tree = trees_[width];
    if (tree.empty()) tree = quickest_tree(width);
    std::vector<LinkId> path;
    for (NodeId node = target; node != source_; node = topology_.link(path.back()).from) path.push_back(tree[node.index()]);
    std::ranges::reverse(path);
    return path;
  }

  std::int64_t width_to(NodeId target) const { return target == source_ ? std::numeric_limits<std::int64_t>::max() : -widths_[target.index()]; }

 private:
  std::vector<LinkId> quickest_tree(std::int64_t width) {
    std::vector<LinkId> tree(topology_.nodes().size());
    std::vector<Delay> weights;
    for (const auto& link : topology_.links()) weights.emplace_back(to_sim_time(link.latency).count(), 1);
    std::vector<Delay> delays(topology_.nodes().size());
    TreeRecorder recorder;
    recorder.tree = &tree;
    run(
        width, weights, delays, Delay{0, 0}, Delay{std::numeric_limits<std::int64_t>::max(), 0},
        [](const Delay& a, const Delay& b) {
          return Delay{a.first + b.first, a.second + b.second};
        },
        recorder);
    return tree;
  }

  template <class Cost, class Combine, class Visitor>
  void run(std::int64_t width, const std::vector<Cost>& weights, std::vector<Cost>& costs, Cost zero, Cost infinity, Combine combine,
           Visitor visitor) {
    const boost::filtered_graph usable(graph_, Usable{&topology_, &graph_, source_, width});
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

  const Topology& topology_;
  TopologyGraph graph_;
  NodeId source_;
  std::vector<std::int64_t> widths_;
  std::map<std::int64_t, std::vector<LinkId>> trees_;
};

// Of two hosts as wide, the nearer: memory on the GPU's own socket, though the link between the sockets may be no bottleneck.
std::optional<NodeId> widest_host(const Topology& topology, PathFinder& finder) {
  std::optional<NodeId> best;
  Delay best_delay;
  for (std::size_t i = 0; i < topology.nodes().size(); ++i) {
    const NodeId node{static_cast<std::int64_t>(i)};
    if (topology.node(node).kind != NodeKind::host || finder.width_to(node) == 0) continue;
    Delay delay{0, 0};
    for (const auto link : finder.path_to(node)) delay = {delay.first + to_sim_time(topology.link(link).latency).count(), delay.second + 1};
    const bool better =
        !best || finder.width_to(node) > finder.width_to(*best) || (finder.width_to(node) == finder.width_to(*best) && delay < best_delay);
    if (!better) continue;
    best = node;
    best_delay = delay;
  }
  return best;
}

}  // namespace

Routes::Routes(const Topology& topology) : topology_(topology) {
  PathFinder finder(topology);
  const auto ranks = static_cast<std::size_t>(topology.ranks());
  std::vector<NodeId> ends;
  for (std::size_t r = 0; r < ranks; ++r) {
    ends.push_back(topology.node_of(Rank{static_cast<std::int64_t>(r)}));
    finder.start(ends.back());
    hosts_.push_back(widest_host(topology, finder));
  }
  for (const auto& host : hosts_) {
    const auto found = host ? std::ranges::find(ends, *host) : ends.end();
    host_end_.push_back(static_cast<std::size_t>(found - ends.begin()));
    if (host && found == ends.end()) ends.push_back(*host);
  }
  ends_ = ends.size();
  offsets_.push_back(0);
  for (const auto from : ends) {
    finder.start(from);
    for (const auto to : ends) {
      const auto path = finder.path_to(to);
      links_.insert(links_.end(), path.begin(), path.end());
      offsets_.push_back(links_.size());
    }
  }
}

std::span<const LinkId> Routes::path(std::size_t from, std::size_t to) const {
  const auto pair = from * ends_ + to;
  return {links_.data() + offsets_[pair], offsets_[pair + 1] - offsets_[pair]};
}

std::span<const LinkId> Routes::between(Rank from, Rank to) const& { return path(from.index(), to.index()); }

std::span<const LinkId> Routes::to_host(Rank from, Rank owner) const& {
  return hosts_[owner.index()] ? path(from.index(), host_end_[owner.index()]) : std::span<const LinkId>{};
}

std::span<const LinkId> Routes::from_host(Rank owner, Rank to) const& {
  return hosts_[owner.index()] ? path(host_end_[owner.index()], to.index()) : std::span<const LinkId>{};
}

Bandwidth Routes::bottleneck(std::span<const LinkId> path) const {
  Bandwidth least;
  for (const auto id : path) {
    const auto width = topology_.link(id).bandwidth;
    least = least == Bandwidth{} ? width : std::min(least, width);
  }
  return least;
}

}  // namespace p2plab
