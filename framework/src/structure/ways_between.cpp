// SPDX-License-Identifier: Apache-2.0
#include "structure/ways_between.h"

#include <algorithm>
#include <map>

#include "p2plab/machine/routes.h"

namespace p2plab {

namespace {

RouteClass class_of(NodeKind kind) {
  switch (kind) {
    case NodeKind::pcie_switch: return RouteClass::pcie_switch;
    case NodeKind::host: return RouteClass::host;
    case NodeKind::nic:
    case NodeKind::network_switch: return RouteClass::network;
    default: return RouteClass::fabric;
  }
}

RouteClass class_of(LinkKind kind) {
  switch (kind) {
    case LinkKind::upi: return RouteClass::between_hosts;
    case LinkKind::network: return RouteClass::network;
    default: return RouteClass::fabric;
  }
}

}  // namespace

RouteClass class_of_path(const Topology& topology, std::span<const LinkId> path) {
  if (path.empty()) return RouteClass::none;
  auto furthest = RouteClass::fabric;
  for (const auto id : path) {
    const auto& link = topology.link(id);
    furthest = std::max({furthest, class_of(link.kind), class_of(topology.node(link.to).kind)});
  }
  return furthest;
}

WaysBetween::WaysBetween(const Topology& topology) : ranks_(static_cast<std::size_t>(topology.ranks())), kind_of_(ranks_ * ranks_) {
  const auto& routes = topology.routes();
  const auto& kinds = routes.kinds();
  paths_ = kinds.each(Path{}, [&](Rank from, Rank to) {
    const auto path = routes.between(from, to);
    return Path{routes.bottleneck(path).bytes_per_second(), {class_of_path(topology, path), path.size() - 1}};
  });
  for (std::size_t a = 0; a < ranks_; ++a) {
    const auto row = kind_of_.begin() + static_cast<std::ptrdiff_t>(a * ranks_);
    for (const auto& stretch : kinds.from(Rank{static_cast<std::int64_t>(a)})) std::fill(row + stretch.begin, row + stretch.end, stretch.kind);
  }
  join();
}

// Tile by tile, so that both directions' places are near in memory.
void WaysBetween::join() {
  constexpr std::size_t tile = 64;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> known;
  std::pair<std::uint32_t, std::uint32_t> last{};
  std::uint32_t last_kind = 0;
  const auto join_pair = [&](std::uint32_t& there, std::uint32_t& back) {
    const std::pair<std::uint32_t, std::uint32_t> both = std::minmax(there, back);
    if (kinds_.empty() || both != last) {
      const auto [at, fresh] = known.try_emplace(both, static_cast<std::uint32_t>(kinds_.size()));
      if (fresh) kinds_.push_back(both);
      last = both;
      last_kind = at->second;
    }
    there = back = last_kind;
  };
  for (std::size_t a = 0; a < ranks_; a += tile) {
    for (std::size_t b = a; b < ranks_; b += tile) {
      for (auto i = a; i < std::min(a + tile, ranks_); ++i) {
        for (auto k = std::max(b, i + 1); k < std::min(b + tile, ranks_); ++k) join_pair(kind_of_[i * ranks_ + k], kind_of_[k * ranks_ + i]);
      }
    }
  }
}

}  // namespace p2plab
