// SPDX-License-Identifier: Apache-2.0
#include "compile/resource_paths.h"

#include <algorithm>

namespace p2plab {

ResourcePaths::ResourcePaths(const Topology& topology, const Profile& profile, Compiled& out) : topology_(topology), out_(out) {
  const bool copies = out.forms.front().protocol == Protocol::copy;
  const double efficiency = copies && profile.copy_efficiency > 0 ? profile.copy_efficiency : profile.link_efficiency;
  groups_of_.resize(topology.links().size());
  egress_.assign(topology.nodes().size(), -1);
  ingress_.assign(topology.nodes().size(), -1);
  for (const auto& limit : topology.limits()) {
    const bool slower = limit.kind == MachineLimit::Kind::link && efficiency != 1;
    const auto rate = static_cast<std::int64_t>(static_cast<double>(limit.bandwidth.bytes_per_second()) * efficiency);
    const auto resource =
        add_resource(topology.name_of(limit), slower ? Bandwidth::bytes_per_second(std::max<std::int64_t>(rate, 1)) : limit.bandwidth);
    switch (limit.kind) {
      case MachineLimit::Kind::link: break;
      case MachineLimit::Kind::group:
        for (const auto link : limit.links) groups_of_[link.index()].push_back(resource);
        break;
      case MachineLimit::Kind::egress: egress_[limit.index] = static_cast<std::int32_t>(resource); break;
      case MachineLimit::Kind::ingress: ingress_[limit.index] = static_cast<std::int32_t>(resource); break;
    }
  }
  for (int r = 0; r < topology.ranks() && copies && profile.copy_rate; ++r) {
    engines_.push_back(add_resource("copy engines of " + topology.node(topology.node_of(Rank{r})).name, *profile.copy_rate));
  }
  if (!profile.memory_rate) return;
  for (int r = 0; r < topology.ranks(); ++r) {
    const auto& name = topology.node(topology.node_of(Rank{r})).name;
    out.memories.push_back(static_cast<std::int32_t>(add_resource("memory of " + name, *profile.memory_rate)));
  }
}

std::uint32_t ResourcePaths::add_resource(std::string name, Bandwidth rate) {
  out_.resources.push_back({.free = 0, .pace = {.rate = rate.bytes_per_second()}});
  out_.names.push_back(std::move(name));
  return static_cast<std::uint32_t>(out_.resources.size() - 1);
}

std::uint32_t ResourcePaths::add(std::span<const LinkId> links, Rank executor) {
  Path path{.first = static_cast<std::uint32_t>(out_.stages.size())};
  if (!engines_.empty()) out_.stages.push_back({engines_[executor.index()], 0});
  for (const auto id : links) {
    const auto& link = topology_.link(id);
    out_.stages.push_back({static_cast<std::uint32_t>(id.value), 0});
    if (egress_[link.from.index()] >= 0) out_.stages.push_back({static_cast<std::uint32_t>(egress_[link.from.index()]), 0});
    for (const auto group : groups_of_[id.index()]) out_.stages.push_back({group, 0});
    out_.stages.back().latency = to_sim_time(link.latency).count();
    path.latency += out_.stages.back().latency;
    if (ingress_[link.to.index()] >= 0) out_.stages.push_back({static_cast<std::uint32_t>(ingress_[link.to.index()]), 0});
  }
  path.end = static_cast<std::uint32_t>(out_.stages.size());
  out_.paths.push_back(path);
  return static_cast<std::uint32_t>(out_.paths.size() - 1);
}

}  // namespace p2plab
