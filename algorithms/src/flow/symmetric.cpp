// SPDX-License-Identifier: Apache-2.0
#include "flow/symmetric.h"

#include <algorithm>
#include <numeric>

namespace p2plab {

namespace {

constexpr std::size_t most_named = std::size_t{1} << 22;  // entries of the table that says where named routes go

}  // namespace

std::vector<FlowPath> images_of(const std::vector<FlowPath>& paths, const std::vector<Automorphism>& images) {
  std::vector<FlowPath> all;
  for (const auto& image : images) {
    const auto node = [&](int from) { return image.nodes[static_cast<std::size_t>(from)]; };
    for (auto path : paths) {
      path.from = node(path.from);
      for (auto& hop : path.hops) {
        hop.to = node(hop.to);
        for (auto& link : hop.links) link = LinkId{image.links[link.index()]};
      }
      all.push_back(std::move(path));
    }
  }
  return all;
}

std::optional<SymmetricPaths> SymmetricPaths::create(const Topology& topology, const std::vector<FlowPath>& paths,
                                                     const std::shared_ptr<const std::vector<Automorphism>>& images) {
  SymmetricPaths symmetric(topology, paths);
  PathTable all;
  std::vector<std::vector<int>> numbers;
  for (const auto& path : paths) {
    numbers.emplace_back();
    for (const auto& hop : path.hops) numbers.back().push_back(all.add(hop.links));
  }
  const auto own = own_routes(topology, all, *images);
  const auto named = static_cast<std::size_t>(std::ranges::count(own, false));
  if (named * images->size() > most_named / images->size()) return std::nullopt;
  for (auto& of_path : numbers) {
    for (auto& number : of_path) number = own[static_cast<std::size_t>(number)] ? -1 : symmetric.named_.add(all[number]);
  }
  symmetric.names_ = std::move(numbers);
  symmetric.images_ = {images, std::vector<std::size_t>(images->size()), {}, {}};
  auto& order = symmetric.images_.order;
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto root = static_cast<std::size_t>(paths.front().from);
  std::sort(order.begin() + 1, order.end(), [&](std::size_t a, std::size_t b) { return (*images)[a].nodes[root] < (*images)[b].nodes[root]; });
  return symmetric;
}

std::size_t SymmetricPaths::list(const Collective& collective, DataFlow& flow) const {
  const auto n = collective.members.size();
  std::vector<std::size_t> places(static_cast<std::size_t>(topology_.ranks()));
  for (std::size_t i = 0; i < n; ++i) places[collective.members[i].index()] = i;
  const auto block = [&](Rank from, Rank to) { return static_cast<std::int32_t>(places[from.index()] * n + places[to.index()]); };
  for (std::size_t k = 0; k < named_.size(); ++k) flow.add_route(named_[static_cast<int>(k)]);
  // The paths of one receiver lie together, as those of its block do.
  std::vector<std::size_t> order(paths_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t p) { return places[image(0, paths_[p].hops.back().to).index()]; });
  struct Piece {
    std::size_t path;
    int to;  // NodeId
    Chunk chunk;
  };
  const auto from = paths_.front().from;
  std::vector<Piece> pieces{{paths_.size(), from, {block(image(0, from), image(0, from)), 1, 0}}};
  for (auto first = order.begin(); first != order.end();) {
    const auto to = paths_[*first].hops.back().to;
    const auto end = std::find_if(first, order.end(), [&](std::size_t p) { return paths_[p].hops.back().to != to; });
    std::int64_t common = 0;
    std::int64_t widest = 0;
    for (auto p = first; p != end; ++p) {
      common = std::gcd(common, paths_[*p].count);
      widest = std::max(widest, paths_[*p].count);
    }
    for (std::int32_t channel = 0; first != end; ++first)
      pieces.push_back({*first, to, {block(image(0, from), image(0, to)), chunk_weight(paths_[*first].count / common, widest / common), channel++}});
  }
  std::vector<ChunkId> ids;
  std::size_t longest = 0;
  for (const auto& piece : pieces) ids.push_back(flow.add_chunk(piece.chunk));
  for (const auto& path : paths_) longest = std::max(longest, path.hops.size());
  for (std::size_t round = 0; round < longest; ++round) {
    for (std::size_t p = 1; p < pieces.size(); ++p) {
      const auto& hops = paths_[pieces[p].path].hops;
      if (round >= hops.size()) continue;
      const auto to = image(0, hops[round].to);
      const auto name = names_[pieces[p].path][round];
      const auto along = name < 0 ? default_route : RouteId{name};
      flow.push_along(image(0, round == 0 ? from : hops[round - 1].to), {&to, 1}, {&along, 1}, ids[p]);
    }
  }
  std::vector<Chunk> others;
  for (std::size_t i = 1; i < images_.size(); ++i) {
    for (const auto& piece : pieces) others.push_back({block(image(i, from), image(i, piece.to)), piece.chunk.weight, piece.chunk.channel});
  }
  auto images = schedule_images(topology_, images_, named_, flow);
  flow.fold(std::move(images), others);
  return longest;
}

}  // namespace p2plab
