// SPDX-License-Identifier: Apache-2.0
#include "forest/images.h"

#include <algorithm>
#include <numeric>

#include "p2plab/machine/routes.h"

namespace p2plab {

namespace {

// Entries of the tables that say where named paths go.
constexpr std::size_t most_named = std::size_t{1} << 22;

bool same_images(const TreeImages& a, const TreeImages& b) {
  return &a == &b || std::ranges::equal(a, b, [](const Automorphism& x, const Automorphism& y) { return x.nodes == y.nodes && x.links == y.links; });
}

}  // namespace

std::vector<bool> own_routes(const Topology& topology, const PathTable& paths, const TreeImages& images) {
  const auto& routes = topology.routes();
  std::vector<bool> own(paths.size());
  for (std::size_t p = 0; p < own.size(); ++p) {
    const auto links = paths[static_cast<int>(p)];
    const auto from = topology.link(links.front()).from.index();
    const auto to = topology.link(links.back()).to.index();
    own[p] = std::ranges::all_of(images, [&](const Automorphism& image) {
      const auto route = routes.between(*topology.rank_of(NodeId{image.nodes[from]}), *topology.rank_of(NodeId{image.nodes[to]}));
      return std::ranges::equal(route, links, [&](LinkId there, LinkId link) { return there.value == image.links[link.index()]; });
    });
  }
  return own;
}

std::optional<ForestImages> common_images(const Topology& topology, const TreeList& up, const TreeList& down) {
  const auto& all = up.trees.empty() ? down.images : up.images;
  if (all == nullptr || (!up.trees.empty() && !down.trees.empty() && (down.images == nullptr || !same_images(*all, *down.images))))
    return std::nullopt;
  ForestImages images{all, std::vector<std::size_t>(all->size()), own_routes(topology, up.paths, *all), own_routes(topology, down.paths, *all)};
  const auto named = static_cast<std::size_t>(std::ranges::count(images.own_up, false) + std::ranges::count(images.own_down, false));
  if (named * all->size() > most_named / all->size()) return std::nullopt;
  std::iota(images.order.begin(), images.order.end(), 0U);
  const auto root = static_cast<std::size_t>((up.trees.empty() ? down : up).trees.front().root);
  std::sort(images.order.begin() + 1, images.order.end(),
            [&](std::size_t a, std::size_t b) { return (*all)[a].nodes[root] < (*all)[b].nodes[root]; });
  return images;
}

std::vector<ScheduleImage> schedule_images(const Topology& topology, const ForestImages& images, PathTable named, DataFlow& flow) {
  std::vector<ScheduleImage> result(images.size());
  std::vector<LinkId> links;
  // Images of images are images, so this ends.
  for (std::size_t k = 0; k < named.size(); ++k) {
    for (std::size_t i = 0; i < images.size(); ++i) {
      links.clear();
      for (const auto link : named[static_cast<int>(k)]) links.emplace_back(images[i].links[link.index()]);
      const auto before = named.size();
      result[i].routes.emplace_back(named.add(links));
      if (named.size() > before) flow.add_route(links);
    }
  }
  for (std::size_t i = 0; i < images.size(); ++i) {
    for (int r = 0; r < topology.ranks(); ++r)
      result[i].ranks.push_back(*topology.rank_of(NodeId{images[i].nodes[topology.node_of(Rank{r}).index()]}));
  }
  return result;
}

}  // namespace p2plab
