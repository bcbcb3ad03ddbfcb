// SPDX-License-Identifier: Apache-2.0
#include "forest/schedule.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <unordered_map>

#include "p2plab/machine/routes.h"

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
  /// `own`: paths that are the machine's own routes; null: as the machine says. Explicit paths get their names in `named`.
  Direction(const Topology& topology, const PathTable& paths, const std::vector<bool>* own, PathTable& named)
      : topology_(topology),
        routes_(topology.routes()),
        paths_(paths),
        own_(own),
        named_(named),
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
    const bool own = own_ != nullptr ? (*own_)[static_cast<std::size_t>(path)] : std::ranges::equal(routes_.between(from, to), links);
    known = own ? default_route : RouteId{named_.add(links)};
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
  const std::vector<bool>* own_;
  PathTable& named_;
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

// The chunks of all images, image by image.
std::vector<Chunk> chunks_of(const Topology& topology, const std::vector<ForestPiece>& pieces, const ForestImages* images, const DataFlow& flow) {
  std::map<std::size_t, std::int64_t> common;
  std::map<std::size_t, std::int32_t> channels;
  auto widest = common;
  for (const auto& piece : pieces) {
    common[piece.block] = std::gcd(common[piece.block], piece.weight);
    widest[piece.block] = std::max(widest[piece.block], piece.weight);
  }
  const auto blocks = blocks_by_root(flow, topology.ranks());
  std::vector<Chunk> chunks;
  for (std::size_t i = 0; i < (images == nullptr ? 1 : images->size()); ++i) {
    for (const auto& piece : pieces) {
      const auto root = (piece.up != nullptr ? piece.up : piece.down)->root;
      const auto block = i == 0 ? piece.block : blocks[topology.rank_of(NodeId{(*images)[i].nodes[static_cast<std::size_t>(root)]})->index()];
      chunks.push_back({static_cast<std::int32_t>(block), chunk_weight(piece.weight / common[piece.block], widest[piece.block] / common[piece.block]),
                        channels[block]++});
    }
  }
  return chunks;
}

}  // namespace

std::vector<std::size_t> blocks_by_root(const DataFlow& flow, int ranks) {
  std::vector<std::size_t> blocks(static_cast<std::size_t>(ranks));
  for (std::size_t b = 0; b < flow.blocks().size() && flow.blocks().size() > 1; ++b) {
    const auto& block = flow.blocks()[b];
    const auto& one = block.contributors.size() == 1 && block.receivers.size() != 1 ? block.contributors : block.receivers;
    if (block.share > 0 && one.size() == 1) blocks[one.front().index()] = b;
  }
  return blocks;
}

void list_pieces(const Topology& topology, const ForestPaths& paths, const ForestImages* images, std::vector<ForestPiece> pieces, DataFlow& flow) {
  std::ranges::stable_sort(pieces, {}, &ForestPiece::block);
  const auto chunks = chunks_of(topology, pieces, images, flow);
  for (std::size_t i = 0; i < pieces.size(); ++i) flow.add_chunk(chunks[i]);
  PathTable named;
  Direction up(topology, paths.up, images == nullptr ? nullptr : &images->own_up, named);
  Direction down(topology, paths.down, images == nullptr ? nullptr : &images->own_down, named);
  const auto rises = [&](const ForestPiece& piece) { return piece.up == nullptr ? 0 : up.levels(*piece.up).height(); };
  int rounds = 0;
  for (const auto& piece : pieces) rounds = std::max(rounds, rises(piece) + (piece.down == nullptr ? 0 : down.levels(*piece.down).height()));
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const ChunkId chunk{static_cast<std::int64_t>(i)};
      const auto& piece = pieces[i];
      const auto rise = rises(piece);
      if (round < rise) {
        list_up(up, up.levels(*piece.up).level(rise - 1 - round), chunk, flow);
      } else if (piece.down != nullptr && round - rise < down.levels(*piece.down).height()) {
        list_down(down, down.levels(*piece.down).level(round - rise), chunk, flow);
      }
    }
  }
  for (std::size_t k = 0; k < named.size(); ++k) flow.add_route(named[static_cast<int>(k)]);
  if (images == nullptr) return;
  auto plan_images = schedule_images(topology, *images, std::move(named), flow);
  flow.fold(std::move(plan_images), std::span{chunks}.subspan(pieces.size()));
}

}  // namespace p2plab
