// SPDX-License-Identifier: Apache-2.0
#include "p2plab/simulator/machine_change.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace p2plab {

namespace {

Bandwidth scaled(Bandwidth rate, double factor) {
  return Bandwidth::bytes_per_second(std::max<std::int64_t>(1, to_nearest(static_cast<double>(rate.bytes_per_second()) * factor)));
}

std::vector<std::string> node_names(const Topology& topology) {
  std::vector<std::string> names;
  for (const auto& node : topology.nodes()) names.push_back(node.name);
  return names;
}

Result<NodeId> node_called(const Topology& topology, const std::string& name) {
  if (const auto node = topology.find_node(name)) return *node;
  return unknown_name("node", name, node_names(topology));
}

// The factor of every link and node.
struct Factors {
  std::vector<double> links;
  std::vector<double> nodes;
};

Status apply(const Topology& topology, const LinkChange& change, Factors& factors) {
  if (!(change.factor >= 0 && std::isfinite(change.factor)))
    return Error{ErrorCode::invalid_input, fmt::format("a link's factor must be 0 or more, found {}", change.factor)};
  auto a = node_called(topology, change.a);
  if (!a) return std::move(a).error();
  auto b = node_called(topology, change.b);
  if (!b) return std::move(b).error();
  bool found = false;
  for (std::size_t l = 0; l < topology.links().size(); ++l) {
    const auto& link = topology.links()[l];
    if (!(link.from == *a && link.to == *b) && !(link.from == *b && link.to == *a)) continue;
    factors.links[l] *= change.factor;
    found = true;
  }
  if (found) return {};
  Error error{ErrorCode::invalid_input, fmt::format("{} and {} are not linked directly", change.a, change.b)};
  std::string neighbours;
  for (const auto id : topology.out_links(*a))
    neighbours += fmt::format("{}{}", neighbours.empty() ? "" : ", ", topology.node(topology.link(id).to).name);
  error.notes.push_back(fmt::format("{} is linked to {}", change.a, neighbours.empty() ? "nothing" : neighbours));
  return error;
}

Status apply(const Topology& topology, const GpuChange& change, Factors& factors) {
  if (!(change.factor > 0 && std::isfinite(change.factor)))
    return Error{ErrorCode::invalid_input, fmt::format("a GPU's factor must be above 0, found {}", change.factor)};
  auto node = node_called(topology, change.gpu);
  if (!node) return std::move(node).error();
  if (!topology.rank_of(*node)) return Error{ErrorCode::invalid_input, fmt::format("'{}' is no GPU", change.gpu)};
  for (const auto id : topology.out_links(*node)) factors.links[id.index()] *= change.factor;
  for (const auto id : topology.in_links(*node)) factors.links[id.index()] *= change.factor;
  factors.nodes[node->index()] *= change.factor;
  return {};
}

Topology expect_built(Topology::Builder builder) {
  auto topology = std::move(builder).build();
  expects(static_cast<bool>(topology));
  return *std::move(topology);
}

template <class Edit>
Topology edited(const Topology& topology, Edit edit) {
  Topology::Builder builder(topology.name());
  for (const auto& node : topology.nodes()) builder.add_node(node);
  for (std::size_t l = 0; l < topology.links().size(); ++l) {
    auto link = topology.links()[l];
    edit(link, l);
    builder.add_link(link);
  }
  for (const auto& group : topology.groups()) builder.add_group(group);
  return expect_built(std::move(builder));
}

}  // namespace

std::string describe(const MachineChange& change) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  for (const auto& link : change.links) {
    add(link.factor == 0 ? fmt::format("link {} - {} lost", link.a, link.b) : fmt::format("link {} - {} x {:g}", link.a, link.b, link.factor));
  }
  for (const auto& gpu : change.gpus) add(fmt::format("{} x {:g}", gpu.gpu, gpu.factor));
  return text;
}

Result<ChangedMachine> change_machine(const Topology& topology, const MachineChange& change) {
  Factors factors{std::vector<double>(topology.links().size(), 1), std::vector<double>(topology.nodes().size(), 1)};
  for (const auto& link : change.links) {
    if (auto ok = apply(topology, link, factors); !ok) return std::move(ok).error();
  }
  for (const auto& gpu : change.gpus) {
    if (auto ok = apply(topology, gpu, factors); !ok) return std::move(ok).error();
  }
  Topology::Builder builder(topology.name());
  for (std::size_t n = 0; n < topology.nodes().size(); ++n) {
    auto node = topology.nodes()[n];
    if (node.egress) node.egress = scaled(*node.egress, factors.nodes[n]);
    if (node.ingress) node.ingress = scaled(*node.ingress, factors.nodes[n]);
    builder.add_node(node);
  }
  std::vector<LinkId> links(topology.links().size(), LinkId{-1});
  for (std::size_t l = 0; l < topology.links().size(); ++l) {
    auto link = topology.links()[l];
    if (factors.links[l] == 0) continue;
    if (factors.links[l] != 1) link.bandwidth = scaled(link.bandwidth, factors.links[l]);
    links[l] = builder.add_link(link);
  }
  for (auto group : topology.groups()) {
    std::vector<LinkId> left;
    for (const auto link : group.links) {
      if (links[link.index()].value >= 0) left.push_back(links[link.index()]);
    }
    group.links = std::move(left);
    if (!group.links.empty()) builder.add_group(std::move(group));
  }
  auto built = std::move(builder).build();
  if (!built) return std::move(built).error();
  return ChangedMachine{*std::move(built), std::move(links)};
}

Result<Program> on_machine(Program program, const ChangedMachine& machine) {
  for (auto& link : program.route_links) {
    const auto now = machine.links[link.index()];
    if (now.value < 0) return Error{ErrorCode::unsupported, "the plan sends data along a link that is lost"};
    link = now;
  }
  return program;
}

Topology scale_links(const Topology& topology, const std::vector<double>& factors) {
  return edited(topology, [&](Link& link, std::size_t l) {
    if (factors[l] != 1) link.bandwidth = scaled(link.bandwidth, factors[l]);
  });
}

Topology scale_latencies(const Topology& topology, const std::vector<double>& factors) {
  return edited(topology, [&](Link& link, std::size_t l) { link.latency *= factors[l]; });
}

}  // namespace p2plab
