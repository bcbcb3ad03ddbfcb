#include "forest_schedule.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <unordered_map>

namespace p2plab {

namespace {

// A tree's edges level by level, those of one parent together.
struct Levels {
  std::span<const ForestTree::Edge> edges;  // the tree's own, or `sorted`
  std::vector<ForestTree::Edge> sorted;
  std::vector<std::size_t> ends;  // by level
  int height() const { return static_cast<int>(ends.size()); }
  std::span<const ForestTree::Edge> level(int which) const {
    const auto place = static_cast<std::size_t>(which);
    const auto begin = place == 0 ? 0 : ends[place - 1];
    return edges.subspan(begin, ends[place] - begin);
  }
};

// One direction: trees in levels, and the names that the plan's routes have.
class Direction {
 public:
  Direction(const Topology& topology, const Routes& routes, const PathTable& paths, DataFlow& flow)
      : topology_(topology),
        routes_(routes),
        paths_(paths),
        flow_(flow),
        depth_(topology.nodes().size()),
        seen_(depth_.size(), -1),
        known_(paths.size()) {}

  const Levels& levels(const ForestTree& tree) {
    auto& levels = levels_[&tree];
    if (levels.edges.empty()) levels = levels_of(tree);
    return levels;
  }

  Rank rank(int vertex) const { return *topology_.rank_of(NodeId{vertex}); }

  RouteId route(Rank from, Rank to, int path) {
    auto& known = known_[static_cast<std::size_t>(path)];
    if (known) return *known;
    const auto links = paths_[path];
    known = std::ranges::equal(routes_.between(from, to), links) ? default_route : flow_.add_route(links);
    return *known;
  }

 private:
  Levels levels_of(const ForestTree& tree) {
    Levels levels{tree.edges, {}, {}};
    depth_[static_cast<std::size_t>(tree.root)] = 0;
    bool in_order = true;
    int parent = -1;
    ++trees_;
    for (const auto& edge : tree.edges) {
      const auto level = static_cast<std::size_t>(depth_[static_cast<std::size_t>(edge.from)]);
      depth_[static_cast<std::size_t>(edge.to)] = static_cast<int>(level) + 1;
      auto& seen = seen_[static_cast<std::size_t>(edge.from)];
      in_order = in_order && level + 1 >= levels.ends.size() && (edge.from == parent || seen != trees_);
      seen = trees_;
      parent = edge.from;
      if (levels.ends.size() <= level) levels.ends.resize(level + 1);
      ++levels.ends[level];
    }
    std::partial_sum(levels.ends.begin(), levels.ends.end(), levels.ends.begin());
    if (in_order) return levels;
    levels.sorted = tree.edges;
    const auto place = [&](const ForestTree::Edge& edge) { return std::pair{depth_[static_cast<std::size_t>(edge.from)], edge.from}; };
    std::ranges::stable_sort(levels.sorted, {}, place);
    levels.edges = levels.sorted;
    return levels;
  }

  const Topology& topology_;
  const Routes& routes_;
  const PathTable& paths_;
  DataFlow& flow_;
  std::vector<int> depth_;  // by vertex, of the tree at hand
  std::vector<int> seen_;   // by vertex: the last tree in which it had children
  int trees_ = 0;
  std::vector<std::optional<RouteId>> known_;
  std::unordered_map<const ForestTree*, Levels> levels_;  // only looked up, never iterated
};

// Sums go to parents, from the last edge of a level to the first.
void list_up(Direction& up, std::span<const ForestTree::Edge> level, ChunkId chunk, DataFlow& flow) {
  for (auto edge = level.rbegin(); edge != level.rend(); ++edge) {
    const auto from = up.rank(edge->to);
    const auto to = up.rank(edge->from);
    const auto route = up.route(from, to, edge->path);
    flow.push_along(from, {&to, 1}, {&route, 1}, chunk);
  }
}

void list_down(Direction& down, std::span<const ForestTree::Edge> level, ChunkId chunk, DataFlow& flow) {
  std::vector<Rank> to;
  std::vector<RouteId> routes;
  for (std::size_t i = 0; i < level.size();) {
    const auto parent = level[i].from;
    to.clear();
    routes.clear();
    for (; i < level.size() && level[i].from == parent; ++i) {
      to.push_back(down.rank(level[i].to));
      routes.push_back(down.route(down.rank(parent), to.back(), level[i].path));
    }
    flow.push_along(down.rank(parent), to, routes, chunk);
  }
}

std::vector<ChunkId> chunks_of(const std::vector<ForestPiece>& pieces, DataFlow& flow) {
  std::map<std::size_t, std::int64_t> common;
  std::map<std::size_t, std::int32_t> channels;
  for (const auto& piece : pieces) common[piece.block] = std::gcd(common[piece.block], piece.weight);
  std::vector<ChunkId> chunks;
  for (const auto& piece : pieces) {
    chunks.push_back(flow.add_chunk(
        {static_cast<std::int32_t>(piece.block), static_cast<std::uint32_t>(piece.weight / common[piece.block]), channels[piece.block]++}));
  }
  return chunks;
}

}  // namespace

void list_pieces(const Topology& topology, const Routes& routes, const ForestPaths& paths, std::vector<ForestPiece> pieces, DataFlow& flow) {
  std::ranges::stable_sort(pieces, {}, &ForestPiece::block);
  const auto chunks = chunks_of(pieces, flow);
  Direction up(topology, routes, paths.up, flow);
  Direction down(topology, routes, paths.down, flow);
  const auto rises = [&](const ForestPiece& piece) { return piece.up == nullptr ? 0 : up.levels(*piece.up).height(); };
  int rounds = 0;
  for (const auto& piece : pieces) rounds = std::max(rounds, rises(piece) + (piece.down == nullptr ? 0 : down.levels(*piece.down).height()));
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const auto& piece = pieces[i];
      const auto rise = rises(piece);
      if (round < rise) {
        list_up(up, up.levels(*piece.up).level(rise - 1 - round), chunks[i], flow);
      } else if (piece.down != nullptr && round - rise < down.levels(*piece.down).height()) {
        list_down(down, down.levels(*piece.down).level(round - rise), chunks[i], flow);
      }
    }
  }
}

}  // namespace p2plab
