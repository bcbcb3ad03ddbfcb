// SPDX-License-Identifier: Apache-2.0
#include "compile/resource_paths.h"

#include <fmt/format.h>

namespace p2plab {

MachinePaths::MachinePaths(const Topology& topology, const Profile& profile, Compiled& out) : topology_(topology), out_(out) {
  const bool copies = out.tuning.protocol == Protocol::copy;
  const double efficiency = copies && profile.copy_efficiency > 0 ? profile.copy_efficiency : profile.link_efficiency;
  for (const auto& link : topology.links()) {
    const auto rate = static_cast<std::int64_t>(static_cast<double>(link.bandwidth.bytes_per_second()) * efficiency);
    add_resource(fmt::format("{} -> {}", topology.node(link.from).name, topology.node(link.to).name),
                 efficiency == 1 ? link.bandwidth : Bandwidth::bytes_per_second(std::max<std::int64_t>(rate, 1)));
  }
  groups_of_.resize(topology.links().size());
  for (const auto& group : topology.groups()) {
    const auto resource = add_resource("group " + group.name, group.bandwidth);
    for (const auto link : group.links) groups_of_[link.index()].push_back(resource);
  }
  for (const auto& node : topology.nodes()) {
    egress_.push_back(node.egress ? static_cast<std::int32_t>(add_resource("egress of " + node.name, *node.egress)) : -1);
    ingress_.push_back(node.ingress ? static_cast<std::int32_t>(add_resource("ingress of " + node.name, *node.ingress)) : -1);
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

std::uint32_t MachinePaths::add_resource(std::string name, Bandwidth rate) {
  out_.resources.push_back({.free = 0, .pace = {.rate = rate.bytes_per_second()}});
  out_.names.push_back(std::move(name));
  return static_cast<std::uint32_t>(out_.resources.size() - 1);
}

std::uint32_t MachinePaths::add(std::span<const LinkId> links, Rank executor) {
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
