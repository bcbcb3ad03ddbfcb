// SPDX-License-Identifier: Apache-2.0
#include "compile/resource_paths.h"

#include <algorithm>

namespace p2plab {

ResourcePaths::ResourcePaths(const Topology& topology, const Profile& profile, Compiled& out) : topology_(topology), parallel_(topology), out_(out) {
  const bool copies = out.program_costs.front().protocol == Protocol::copy;
  add_limits(copies && profile.copy_efficiency > 0 ? profile.copy_efficiency : profile.link_efficiency);
  for (int r = 0; r < topology.ranks() && copies && profile.copy_rate; ++r) {
    engines_.push_back(add_resource("copy engines of " + topology.node(topology.node_of(Rank{r})).name, *profile.copy_rate));
  }
  if (!profile.memory_rate) return;
  for (int r = 0; r < topology.ranks(); ++r) {
    const auto& name = topology.node(topology.node_of(Rank{r})).name;
    out.memories.push_back(static_cast<std::int32_t>(add_resource("memory of " + name, *profile.memory_rate)));
  }
}

void ResourcePaths::add_limits(double efficiency) {
  for (const auto& limit : topology_.limits().first(topology_.links().size())) {
    const auto raw = parallel_.together(limit.links.front());
    const auto rate = static_cast<std::int64_t>(static_cast<double>(raw.bytes_per_second()) * efficiency);
    add_resource(topology_.name_of(limit), efficiency != 1 ? Bandwidth::bytes_per_second(std::max<std::int64_t>(rate, 1)) : raw);
  }
  groups_of_.resize(topology_.links().size());
  for (const auto& group : topology_.groups()) {
    const auto budget = parallel_.budget(group.links, group.bandwidth);
    const auto resource = add_resource("group " + group.name, budget.rate);
    for (const auto link : budget.links) groups_of_[link.index()].emplace_back(resource, group.of);
  }
  for (auto* of_node : {&egress_, &ingress_, &root_complex_, &host_memory_}) of_node->assign(topology_.nodes().size(), -1);
  for (std::size_t n = 0; n < topology_.nodes().size(); ++n) {
    const auto& node = topology_.nodes()[n];
    const auto add = [&](std::string_view what, const std::optional<Bandwidth>& rate, std::vector<std::int32_t>& of_node) {
      if (rate) of_node[n] = static_cast<std::int32_t>(add_resource(std::string{what} + node.name, *rate));
    };
    add("egress of ", node.egress, egress_);
    add("ingress of ", node.ingress, ingress_);
    add("root complex of ", node.root_complex, root_complex_);
    add("memory of ", node.memory, host_memory_);
  }
}

std::uint32_t ResourcePaths::add_resource(std::string name, Bandwidth rate) {
  out_.resources.push_back({.free = 0, .transfer_time = {.rate = rate.bytes_per_second()}});
  out_.names.push_back(std::move(name));
  return static_cast<std::uint32_t>(out_.resources.size() - 1);
}

void ResourcePaths::add_stage(std::int32_t resource) {
  if (resource >= 0) out_.stages.push_back({static_cast<std::uint32_t>(resource), 0});
}

bool ResourcePaths::counts(Traffic of, const Transfer& transfer) const {
  switch (of) {
    case Traffic::all: return true;
    case Traffic::peers: return !transfer.host_memory;
    case Traffic::loads: return !transfer.host_memory && transfer.loads;
    case Traffic::stores: return !transfer.host_memory && !transfer.loads;
    case Traffic::host_loads: return transfer.host_memory && transfer.loads && out_.program_costs.front().protocol != Protocol::copy;
  }
  return true;
}

std::uint32_t ResourcePaths::add(std::span<const LinkId> links, Rank executor, const Transfer& transfer) {
  Path path{.first = static_cast<std::uint32_t>(out_.stages.size())};
  if (!engines_.empty()) out_.stages.push_back({engines_[executor.index()], 0});
  for (const auto id : links) {
    const auto& link = topology_.link(id);
    out_.stages.push_back({static_cast<std::uint32_t>(parallel_.first(id).value), 0});
    add_stage(egress_[link.from.index()]);
    if (id == links.front()) add_stage(root_complex_[link.from.index()]);
    if (id == links.front() && transfer.host_memory) add_stage(host_memory_[link.from.index()]);
    for (const auto& [group, of] : groups_of_[parallel_.first(id).index()]) {
      if (counts(of, transfer)) out_.stages.push_back({group, 0});
    }
    out_.stages.back().latency = to_sim_time(link.latency).count();
    path.latency += out_.stages.back().latency;
    add_stage(ingress_[link.to.index()]);
    add_stage(root_complex_[link.to.index()]);
    if (id == links.back() && transfer.host_memory) add_stage(host_memory_[link.to.index()]);
  }
  path.end = static_cast<std::uint32_t>(out_.stages.size());
  out_.paths.push_back(path);
  return static_cast<std::uint32_t>(out_.paths.size() - 1);
}

}  // namespace p2plab
