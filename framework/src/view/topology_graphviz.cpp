// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"
#include "p2plab/machine/topology_view.h"
#include "view/connections.h"

namespace p2plab {

std::vector<Connection> connections(const Topology& topology) {
  std::map<std::tuple<NodeId, NodeId, LinkKind>, Connection> all;
  for (const auto& link : topology.links()) {
    const auto a = std::min(link.from, link.to);
    const auto b = std::max(link.from, link.to);
    auto& connection = all[{a, b, link.kind}];
    connection.a = a;
    connection.b = b;
    connection.kind = link.kind;
    (link.from == a ? connection.forward : connection.backward) += link.bandwidth;
  }
  std::vector<Connection> list;
  for (const auto& [key, connection] : all) list.push_back(connection);
  return list;
}

namespace {

std::string quoted_for_dot(const std::string& text) {
  std::string result = "\"";
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') result += '\\';
    result += letter == '\n' ? ' ' : letter;
  }
  return result + '"';
}

std::string_view dot_colour(LinkKind kind) {
  switch (kind) {
    case LinkKind::nvlink: return "forestgreen";
    case LinkKind::pcie: return "steelblue";
    case LinkKind::upi: return "chocolate";
    case LinkKind::network: return "purple";
    case LinkKind::host_memory: return "darkcyan";
    case LinkKind::other: return "gray30";
  }
  return "black";
}

}  // namespace

std::string topology_dot(const Topology& topology) {
  auto dot = fmt::format("digraph {} {{\n  layout=neato; overlap=false; splines=true;\n", quoted_for_dot(topology.name()));
  for (const auto& node : topology.nodes()) {
    dot += fmt::format("  {} [shape={}];\n", quoted_for_dot(node.name), node.kind == NodeKind::gpu ? "circle" : "box");
  }
  const auto edge = [&](NodeId from, NodeId to, LinkKind kind, Bandwidth bandwidth, bool both) {
    dot += fmt::format("  {} -> {} [label=\"{}\", color={}, dir={}];\n", quoted_for_dot(topology.node(from).name),
                       quoted_for_dot(topology.node(to).name), to_string(bandwidth), dot_colour(kind), both ? "both" : "forward");
  };
  for (const auto& connection : connections(topology)) {
    if (connection.forward == connection.backward) {
      edge(connection.a, connection.b, connection.kind, connection.forward, true);
      continue;
    }
    if (connection.forward > Bandwidth{}) edge(connection.a, connection.b, connection.kind, connection.forward, false);
    if (connection.backward > Bandwidth{}) edge(connection.b, connection.a, connection.kind, connection.backward, false);
  }
  return dot + "}\n";
}

}  // namespace p2plab
