// SPDX-License-Identifier: Apache-2.0
#include "p2plab/program/hardware_routes.h"

#include <algorithm>

#include <fmt/format.h>

#include "p2plab/machine/routes.h"

namespace p2plab {

namespace {

std::string words_of(std::span<const LinkId> path, const Topology& topology) {
  if (path.empty()) return "no way at all";
  std::string text = topology.node(topology.link(path.front()).from).name;
  for (const auto link : path) text += " -> " + topology.node(topology.link(link).to).name;
  return text;
}

bool same_nodes(std::span<const LinkId> a, std::span<const LinkId> b, const Topology& topology) {
  return std::ranges::equal(
      a, b, [&](LinkId x, LinkId y) { return topology.link(x).from == topology.link(y).from && topology.link(x).to == topology.link(y).to; });
}

}  // namespace

Status follows_hardware(const Program& program, const Topology& topology) {
  const auto& routes = topology.routes();
  std::string first;
  std::size_t others = 0;
  const auto count = program.route_offsets.size() - 1;
  for (std::size_t i = 0; i < count; ++i) {
    const auto route = program.route(RouteId{static_cast<std::int64_t>(i)});
    if (route.empty()) continue;
    const auto from = topology.rank_of(topology.link(route.front()).from);
    const auto to = topology.rank_of(topology.link(route.back()).to);
    if (!from || !to) continue;  // ends in host memory, which a route of its own reaches
    const auto own = routes.between(*from, *to);
    if (same_nodes(route, own, topology)) continue;
    if (first.empty()) first = fmt::format("{}, where a peer access takes {}", words_of(route, topology), words_of(own, topology));
    ++others;
  }
  if (others == 0) return {};
  Error error{ErrorCode::unsupported, fmt::format("the plan names {} of {} routes that no peer access takes, as {}", others, count, first)};
  error.notes.emplace_back("simulate it, or plan on the links that peer accesses take (an imported or detected machine has only those)");
  return error;
}

}  // namespace p2plab
