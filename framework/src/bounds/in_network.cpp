// SPDX-License-Identifier: Apache-2.0
#include "bounds/in_network.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace p2plab {

namespace {

std::vector<NodeId> nodes_of_kind(const Topology& topology, std::string_view kind) {
  std::vector<NodeId> nodes;
  for (std::size_t n = 0; n < topology.nodes().size(); ++n) {
    if (to_string(topology.nodes()[n].kind) == kind) nodes.emplace_back(static_cast<std::int64_t>(n));
  }
  return nodes;
}

constexpr std::array able_kinds{"nvswitch", "pcie_switch", "switch", "host", "nic"};

Status add_word(const Topology& topology, const std::string& word, InNetwork& able) {
  if (const auto node = topology.find_node(word)) {
    able.multicast.push_back(*node);
    return bounds::check(topology, able);
  }
  auto nodes = word == "all" ? all_switches(topology).multicast : nodes_of_kind(topology, word);
  able.multicast.insert(able.multicast.end(), nodes.begin(), nodes.end());
  if (std::ranges::find(able_kinds, word) != able_kinds.end() && nodes.empty())
    return Error{ErrorCode::invalid_input, fmt::format("{} has no node of kind {}", topology.name(), word)};
  if (word == "all" || (!nodes.empty() && word != "gpu")) return {};
  std::vector<std::string> known{"all"};
  known.insert(known.end(), able_kinds.begin(), able_kinds.end());
  for (const auto& node : topology.nodes()) {
    if (node.kind != NodeKind::gpu) known.push_back(node.name);
  }
  return unknown_name("switch", word, known);
}

}  // namespace

InNetwork all_switches(const Topology& topology) {
  InNetwork able;
  for (const auto* kind : {"nvswitch", "pcie_switch", "switch"}) {
    const auto nodes = nodes_of_kind(topology, kind);
    able.multicast.insert(able.multicast.end(), nodes.begin(), nodes.end());
  }
  able.reduce = able.multicast;
  return able;
}

Result<InNetwork> switches_named(const Topology& topology, const std::string& list) {
  InNetwork able;
  for (std::size_t at = 0; at <= list.size();) {
    const auto comma = std::min(list.find(',', at), list.size());
    if (auto added = add_word(topology, list.substr(at, comma - at), able); !added) return std::move(added).error();
    at = comma + 1;
  }
  able.reduce = able.multicast;
  return able;
}

bool in_network_can_help(CollectiveKind kind) {
  using enum CollectiveKind;
  return kind == all_reduce || kind == reduce_scatter || kind == all_gather || kind == broadcast || kind == reduce;
}

namespace bounds {

Status check(const Topology& topology, const InNetwork& able) {
  for (const auto& nodes : {able.multicast, able.reduce}) {
    for (const auto node : nodes) {
      if (topology.rank_of(node))
        return Error{ErrorCode::invalid_input, fmt::format("{} is a GPU, which copies and adds anyway; name switches", topology.node(node).name)};
    }
  }
  return {};
}

std::vector<int> vertices(const std::vector<NodeId>& nodes) {
  std::vector<int> values;
  for (const auto node : nodes) values.push_back(node.value);
  std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

}  // namespace bounds

}  // namespace p2plab
