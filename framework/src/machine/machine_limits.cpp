// SPDX-License-Identifier: Apache-2.0
#include "machine/machine_limits.h"

#include <algorithm>

namespace p2plab {

namespace {

bool is_host(const Node& node) { return node.kind == NodeKind::host; }

// Does a group bound the machine whatever is sent? One of peer accesses does where GPUs exchange data in no other way.
bool always_counts(const LinkGroup& group, std::span<const Node> nodes) {
  const auto stages = [](const Node& node) { return is_host(node) && !node.forwards_peers; };
  return group.of == Traffic::all || (group.of == Traffic::peers && std::ranges::none_of(nodes, stages));
}

// Nobody can tell which host's memory a plan uses, so all of them count together.
std::optional<Bandwidth> memory_of_hosts(std::span<const Node> nodes) {
  std::int64_t sum = 0;
  for (const auto& node : nodes) {
    if (is_host(node) && !node.memory) return std::nullopt;
    if (is_host(node)) sum += node.memory->bytes_per_second();
  }
  return Bandwidth::bytes_per_second(sum);
}

}  // namespace

std::vector<LinkId> staging_links(const Topology& topology) {
  for (const auto& node : topology.nodes()) {
    if (node.kind == NodeKind::nic || node.kind == NodeKind::network_switch || (is_host(node) && node.forwards_peers)) return {};
  }
  std::vector<LinkId> links;
  for (std::size_t l = 0; l < topology.links().size(); ++l) {
    const auto& link = topology.links()[l];
    if (is_host(topology.node(link.from)) != is_host(topology.node(link.to))) links.emplace_back(static_cast<std::int64_t>(l));
  }
  return links;
}

std::vector<MachineLimit> machine_limits(const Topology& topology, std::span<const LinkId> ids, std::span<const LinkId> staging) {
  using enum MachineLimit::Kind;
  const auto nodes = topology.nodes();
  std::vector<MachineLimit> limits;
  for (std::size_t l = 0; l < ids.size(); ++l) limits.push_back({link, l, topology.links()[l].bandwidth, ids.subspan(l, 1)});
  for (std::size_t g = 0; g < topology.groups().size(); ++g) {
    const auto& shared = topology.groups()[g];
    if (always_counts(shared, nodes)) limits.push_back({group, g, shared.bandwidth, shared.links});
  }
  // Where there is one host, data passes its root complex on its way into memory and out of it; where there are several, it is only sure to come in.
  const bool twice = !staging.empty() && std::ranges::count_if(nodes, is_host) == 1;
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    const NodeId id{static_cast<std::int64_t>(n)};
    const auto& node = nodes[n];
    if (node.egress) limits.push_back({egress, n, *node.egress, topology.out_links(id)});
    if (node.ingress) limits.push_back({ingress, n, *node.ingress, topology.in_links(id)});
    if (node.root_complex) limits.push_back({root_complex, n, *node.root_complex, twice ? staging : topology.in_links(id)});
  }
  if (const auto memory = memory_of_hosts(nodes); memory && !staging.empty())
    limits.push_back({host_memory, static_cast<std::size_t>(std::ranges::find_if(nodes, is_host) - nodes.begin()), *memory, staging});
  return limits;
}

}  // namespace p2plab
