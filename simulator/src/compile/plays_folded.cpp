// SPDX-License-Identifier: Apache-2.0
#include "p2plab/simulator/plays_folded.h"

#include <algorithm>
#include <optional>
#include <set>

#include "compile/check_program.h"
#include "compile/resource_images.h"
#include "p2plab/machine/routes.h"
#include "p2plab/program/packet_program.h"

namespace p2plab {

namespace {

using Way = FoldedResources::Way;

// Of the representatives of a schedule, whose steps may be the same representative's, moved; none where some lead through a host.
std::optional<std::set<Way>> ways_of(const Schedule& schedule, const RankImages& images) {
  std::set<Way> ways;
  bool hosts = false;
  const auto take = [&](Rank base_executor, const Location& location, RouteId route, bool reads) {
    hosts = hosts || location.buffer == Buffer::host;
    if (location.rank == base_executor) return;
    const auto image = images.back(base_executor);
    ways.emplace(images.moved(image, base_executor), images.moved(image, location.rank), images.moved(image, route), reads);
  };
  for (std::size_t i = 0; !hosts && i < schedule.base_step_count(); ++i) {
    const auto step = schedule.base_step(StepId{static_cast<std::int64_t>(i)});
    const auto route = [&](std::size_t operand) { return step.routes.empty() ? default_route : step.routes[operand]; };
    for (std::size_t s = 0; s < step.sources.size(); ++s) take(step.executor, step.sources[s], route(s), true);
    for (std::size_t d = 0; d < step.destinations.size(); ++d) take(step.executor, step.destinations[d], route(step.sources.size() + d), false);
  }
  return hosts ? std::nullopt : std::optional{std::move(ways)};
}

std::set<Way> ways_of(const PacketProgram& packets) {
  std::set<Way> ways;
  for (std::size_t r = 0; r < packets.ranks.size(); ++r) {
    for (const auto& item : packets.ranks[r]) {
      for (const auto& to : item.destinations) {
        if (is_landing(to)) ways.emplace(Rank{static_cast<std::int64_t>(r)}, to.rank, to.route, false);
      }
    }
  }
  return ways;
}

// Whoever moves data on `ways`, by the routes that are named there.
std::shared_ptr<const FoldedResources> resources_on(const Topology& topology, std::set<Way> ways, const RankImages& images, const Profile& profile,
                                                    const ResourceImages::LinksOf& links_of) {
  Compiled out;
  ResourcePaths machine(topology, profile, out);
  ResourceImages resources(images, machine, out, links_of);
  for (const auto& [executor, other, route, reads] : ways) {
    const Peer peer{{other, Buffer::scratch, route, 0}, reads, {}};
    const auto links = links_of(executor, peer);
    if (links.empty()) return nullptr;
    machine.add(links, executor, {.loads = reads});
    if (!resources.take(executor, peer)) return nullptr;
  }
  if (!resources.join()) return nullptr;
  const bool directions_agree = resources.directions_agree(topology);
  if (!directions_agree && profile.quirks.duplex_read != 1) return nullptr;
  return std::make_shared<const FoldedResources>(images.digest(), std::move(ways), std::move(out.stands_for), directions_agree);
}

// What is found of more ways holds of some of them, too: each of their positions names all resources of its class.
std::shared_ptr<const FoldedResources> known_of(FoundResources known, const std::set<Way>& ways, const RankImages& images) {
  const auto knows_all = [&](const auto& one) {
    return one->are_of(images) && one->directions_agree() && std::ranges::all_of(ways, [&](const Way& way) { return one->know(way); });
  };
  const auto one = std::ranges::find_if(known, knows_all);
  return one == known.end() ? nullptr : *one;
}

}  // namespace

std::shared_ptr<const FoldedResources> folded_resources(const Topology& topology, const Schedule& schedule, const RankImages& images,
                                                        const Profile& profile, FoundResources known) {
  if (!treats_alike(topology, profile)) return nullptr;
  auto ways = ways_of(schedule, images);
  if (!ways) return nullptr;
  const bool as_usual = schedule.route_count() == 0;
  if (auto one = as_usual ? known_of(known, *ways, images) : nullptr) return one;
  const auto& routes = topology.routes();
  return resources_on(topology, *std::move(ways), images, profile, [&](Rank executor, const Peer& peer) {
    const auto& operand = peer.operand;
    if (operand.route != default_route) return schedule.route(operand.route);
    return peer.reads ? routes.between(operand.rank, executor) : routes.between(executor, operand.rank);
  });
}

std::shared_ptr<const FoldedResources> packet_resources(const Topology& topology, const Program& packets, const Profile& profile,
                                                        FoundResources known) {
  if (!treats_alike(topology, profile)) return nullptr;
  auto ways = ways_of(*packets.packets);
  const bool as_usual = packets.route_links.empty();
  if (auto one = as_usual ? known_of(known, ways, *packets.images) : nullptr) return one;
  const auto& routes = topology.routes();
  return resources_on(topology, std::move(ways), *packets.images, profile, [&](Rank executor, const Peer& peer) {
    return peer.operand.route == default_route ? routes.between(executor, peer.operand.rank) : packets.route(peer.operand.route);
  });
}

}  // namespace p2plab
