// SPDX-License-Identifier: Apache-2.0
#include "p2plab/simulator/plays_folded.h"

#include <set>
#include <tuple>

#include "compile/check_program.h"
#include "compile/resource_images.h"
#include "p2plab/machine/routes.h"
#include "p2plab/program/packet_program.h"

namespace p2plab {

std::shared_ptr<const FoldedResources> folded_resources(const Topology& topology, const Schedule& schedule, const RankImages& images,
                                                        const Profile& profile) {
  const auto& routes = topology.routes();
  Compiled out;
  ResourcePaths machine(topology, profile, out);
  const auto links_of = [&](Rank executor, const Peer& peer) {
    const auto& operand = peer.operand;
    if (operand.route != default_route) return schedule.route(operand.route);
    return peer.reads ? routes.between(operand.rank, executor) : routes.between(executor, operand.rank);
  };
  ResourceImages resources(images, machine, out, links_of);
  bool alike = true;
  std::set<FoldedResources::Way> taken;
  const auto take = [&](Rank base_executor, const Location& location, RouteId base_route, bool reads) {
    if (location.buffer == Buffer::host) alike = false;
    if (!alike || location.rank == base_executor) return;
    // Steps of different ranks may be the same representative's, moved.
    const auto image = images.back(base_executor);
    const auto executor = images.moved(image, base_executor);
    const auto route = images.moved(image, base_route);
    const Peer peer{{images.moved(image, location.rank), location.buffer, route, 0}, reads, {}};
    if (!taken.emplace(executor, peer.operand.rank, route, reads).second) return;
    const auto links = links_of(executor, peer);
    if (links.empty()) {
      alike = false;
      return;
    }
    machine.add(links, executor, {.loads = reads});
    alike = resources.take(executor, peer);
  };
  for (std::size_t i = 0; alike && i < schedule.base_step_count(); ++i) {
    const auto step = schedule.base_step(StepId{static_cast<std::int64_t>(i)});
    const auto route = [&](std::size_t operand) { return step.routes.empty() ? default_route : step.routes[operand]; };
    for (std::size_t s = 0; s < step.sources.size(); ++s) take(step.executor, step.sources[s], route(s), true);
    for (std::size_t d = 0; d < step.destinations.size(); ++d) take(step.executor, step.destinations[d], route(step.sources.size() + d), false);
  }
  if (!alike || !treats_alike(topology, profile) || !resources.join()) return nullptr;
  const bool directions_agree = resources.directions_agree(topology);
  if (!directions_agree && profile.quirks.duplex_read != 1) return nullptr;
  return std::make_shared<const FoldedResources>(images.digest(), std::move(taken), std::move(out.stands_for), directions_agree);
}

bool plays_folded(const Topology& topology, const Program& packets, const Profile& profile) {
  if (!treats_alike(topology, profile)) return false;
  const auto& routes = topology.routes();
  Compiled out;
  ResourcePaths machine(topology, profile, out);
  const auto links_of = [&](Rank executor, const Peer& peer) {
    return peer.operand.route == default_route ? routes.between(executor, peer.operand.rank) : packets.route(peer.operand.route);
  };
  ResourceImages resources(*packets.images, machine, out, links_of);
  std::set<std::tuple<Rank, Rank, RouteId>> taken;
  for (std::size_t r = 0; r < packets.packets->ranks.size(); ++r) {
    const Rank rank{static_cast<std::int64_t>(r)};
    for (const auto& item : packets.packets->ranks[r]) {
      for (const auto& to : item.destinations) {
        if (!is_landing(to) || !taken.emplace(rank, to.rank, to.route).second) continue;
        const Peer peer{{to.rank, to.buffer, to.route, 0}, false, {}};
        const auto links = links_of(rank, peer);
        if (links.empty()) return false;
        machine.add(links, rank, {});
        if (!resources.take(rank, peer)) return false;
      }
    }
  }
  return resources.join();
}

}  // namespace p2plab
