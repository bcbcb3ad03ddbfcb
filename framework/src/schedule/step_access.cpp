// SPDX-License-Identifier: Apache-2.0
#include "schedule/step_access.h"

#include <algorithm>

#include <fmt/format.h>

#include "p2plab/detail/passage.h"
#include "p2plab/machine/routes.h"
#include "p2plab/schedule/verify.h"

namespace p2plab {

StepAccess::StepAccess(const Topology& topology, std::size_t explicit_routes, RouteLinks links)
    : topology_(topology), routes_(topology.routes()), links_(std::move(links)), named_routes_(explicit_routes) {
  for (std::size_t k = 0; k < named_routes_.size(); ++k) {
    const RouteId route{static_cast<std::int64_t>(k)};
    const auto first = links_(route);
    if (first.empty() || first.front().value < 0 || first.front().index() >= topology.links().size()) continue;
    auto& named = named_routes_[k];
    named.from = named.to = topology.link(first.front()).from;
    named.whole = !walk(route, named.to);
  }
}

std::optional<std::string> StepAccess::missing(Rank executor, const Location& location, RouteId route, bool reads) const {
  const bool in_host = location.buffer == Buffer::host;
  if (route != default_route) return missing_on(executor, location, route, reads);
  if (!in_host && location.rank == executor) return std::nullopt;
  const bool joined = in_host ? !(reads ? routes_.from_host(location.rank, executor) : routes_.to_host(executor, location.rank)).empty()
                              : (reads ? routes_.connected(location.rank, executor) : routes_.connected(executor, location.rank));
  if (joined) return std::nullopt;
  return fmt::format("rank {} {} {}, but the machine has no path for that ({})", executor.value, reads ? "reads" : "writes", describe(location),
                     in_host ? "no way to that host memory" : "GPUs do not forward");
}

std::optional<std::string> StepAccess::missing_on(Rank executor, const Location& location, RouteId route, bool reads) const {
  const auto host = routes_.host_of(location.rank);
  if (location.buffer == Buffer::host && !host) return fmt::format("{} does not exist: no host is reachable from that rank", describe(location));
  const auto there = location.buffer == Buffer::host ? *host : topology_.node_of(location.rank);
  const auto here = topology_.node_of(executor);
  auto place = reads ? there : here;
  const auto end = reads ? here : there;
  const auto& named = named_routes_[route.index()];
  if (named.whole && named.from == place && named.to == end) return std::nullopt;
  if (auto fault = walk(route, place)) return fault;
  if (place == end) return std::nullopt;
  return fmt::format("route {} ends at {}, not at {}", route.value, topology_.node(place).name, topology_.node(end).name);
}

// Moves `place` along the route; what is wrong with that, none if nothing is.
std::optional<std::string> StepAccess::walk(RouteId route, NodeId& place) const {
  const auto links = links_(route);
  if (links.size() > topology_.nodes().size())
    return fmt::format("route {} has {} links, more than the machine has nodes ({})", route.value, links.size(), topology_.nodes().size());
  std::vector<NodeId> passed{place};
  for (std::size_t i = 0; i < links.size(); ++i) {
    if (links[i].value < 0 || links[i].index() >= topology_.links().size())
      return fmt::format("route {} names link {}, which does not exist", route.value, links[i].value);
    const auto& link = topology_.link(links[i]);
    if (link.from != place)
      return fmt::format("route {} breaks before its link {} ({} -> {})", route.value, i, topology_.node(link.from).name,
                         topology_.node(link.to).name);
    if (i > 0 && topology_.node(place).kind == NodeKind::gpu)
      return fmt::format("route {} passes through {}; GPUs do not forward", route.value, topology_.node(place).name);
    if (i > 0 && refuses_passage(topology_, topology_.link(links[i - 1]).from, place, link.to)) {
      return fmt::format(
          "route {} goes from {} to {} through {}; {}", route.value, topology_.node(topology_.link(links[i - 1]).from).name,
          topology_.node(link.to).name, topology_.node(place).name,
          topology_.node(place).kind == NodeKind::nic ? "a NIC joins no two devices of its own server" : "hosts do not forward between NICs");
    }
    place = link.to;
    passed.push_back(place);
  }
  std::ranges::sort(passed);
  if (const auto twice = std::ranges::adjacent_find(passed); twice != passed.end())
    return fmt::format("route {} comes to {} twice", route.value, topology_.node(*twice).name);
  return std::nullopt;
}

}  // namespace p2plab
