// SPDX-License-Identifier: Apache-2.0
#include "p2plab/machine/topology.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <unordered_map>

#include <fmt/format.h>

#include "machine/machine_limits.h"
#include "machine/on_demand.h"
#include "p2plab/detail/named.h"
#include "p2plab/machine/topology_graph.h"

namespace p2plab {

namespace {

constexpr std::array node_kinds{Named{"gpu", NodeKind::gpu},   Named{"nvswitch", NodeKind::nvswitch}, Named{"pcie_switch", NodeKind::pcie_switch},
                                Named{"host", NodeKind::host}, Named{"nic", NodeKind::nic},           Named{"switch", NodeKind::network_switch}};
constexpr std::array link_kinds{Named{"nvlink", LinkKind::nvlink},           Named{"pcie", LinkKind::pcie},       Named{"upi", LinkKind::upi},
                                Named{"host_memory", LinkKind::host_memory}, Named{"network", LinkKind::network}, Named{"other", LinkKind::other}};

constexpr std::array traffics{Named{"all", Traffic::all}, Named{"peers", Traffic::peers}, Named{"loads", Traffic::loads},
                              Named{"stores", Traffic::stores}, Named{"host_loads", Traffic::host_loads}};
constexpr std::array origins{Named{"read", Origin::read}, Named{"known", Origin::known}, Named{"assumed", Origin::assumed}};

// Compressed adjacency: for each node, the links whose `end` it is.
struct Adjacency {
  std::vector<std::size_t> offsets;
  std::vector<LinkId> links;
};

Adjacency adjacency(std::size_t nodes, std::span<const Link> links, NodeId Link::*end) {
  Adjacency result{std::vector<std::size_t>(nodes + 1), std::vector<LinkId>(links.size())};
  for (const auto& link : links) ++result.offsets[(link.*end).index() + 1];
  for (std::size_t i = 0; i < nodes; ++i) result.offsets[i + 1] += result.offsets[i];
  auto next = result.offsets;
  for (std::size_t i = 0; i < links.size(); ++i) result.links[next[(links[i].*end).index()]++] = LinkId{static_cast<std::int64_t>(i)};
  return result;
}

Error bad_topology(std::string message) { return Error{ErrorCode::invalid_input, std::move(message)}; }

}  // namespace

std::string_view to_string(NodeKind kind) { return to_name<NodeKind>(kind, node_kinds); }
std::string_view to_string(LinkKind kind) { return to_name<LinkKind>(kind, link_kinds); }
std::string_view to_string(Traffic traffic) { return to_name<Traffic>(traffic, traffics); }
Result<Traffic> traffic(std::string_view name) { return from_name<Traffic>("kind of traffic", name, traffics); }
std::string_view to_string(Origin origin) { return to_name<Origin>(origin, origins); }
Result<Origin> origin(std::string_view name) { return from_name<Origin>("origin", name, origins); }
Result<NodeKind> node_kind(std::string_view name) { return from_name<NodeKind>("node kind", name, node_kinds); }
Result<LinkKind> link_kind(std::string_view name) { return from_name<LinkKind>("link kind", name, link_kinds); }

Seconds default_latency(LinkKind kind) {
  switch (kind) {
    case LinkKind::nvlink:
    case LinkKind::pcie:
    case LinkKind::other: return Seconds{500e-9};
    case LinkKind::upi: return Seconds{150e-9};
    case LinkKind::host_memory: return Seconds{100e-9};
    case LinkKind::network: return Seconds{1300e-9};
  }
  return Seconds{0};
}

struct Topology::Data {
  std::string name;
  std::vector<Node> nodes;
  std::vector<Link> links;
  std::vector<LinkGroup> groups;
  MachineSources sources;
  std::vector<NodeId> gpus;
  std::vector<std::int32_t> ranks;  // by node; -1 if not a gpu
  std::unordered_map<std::string, NodeId> by_name;
  Adjacency out;
  Adjacency in;
  std::vector<LinkId> ids;      // of all links
  std::vector<LinkId> staging;  // see staging_links
  std::vector<MachineLimit> limits;
  mutable OnDemand on_demand;
};

const std::string& Topology::name() const& { return data_->name; }
std::span<const Node> Topology::nodes() const& { return data_->nodes; }
std::span<const Link> Topology::links() const& { return data_->links; }
std::span<const LinkGroup> Topology::groups() const& { return data_->groups; }
const MachineSources& Topology::sources() const& { return data_->sources; }
std::span<const MachineLimit> Topology::limits() const& { return data_->limits; }
Topology::OnDemand& Topology::on_demand() const { return data_->on_demand; }
Topology Topology::unowned() const { return Topology{std::shared_ptr<const Data>(std::shared_ptr<const Data>{}, data_.get())}; }
int Topology::ranks() const { return static_cast<int>(data_->gpus.size()); }
NodeId Topology::node_of(Rank rank) const { return data_->gpus[rank.index()]; }

std::optional<Rank> Topology::rank_of(NodeId node) const {
  const auto rank = data_->ranks[node.index()];
  return rank < 0 ? std::nullopt : std::optional{Rank{rank}};
}

std::optional<NodeId> Topology::find_node(std::string_view name) const {
  const auto found = data_->by_name.find(std::string{name});
  return found == data_->by_name.end() ? std::nullopt : std::optional{found->second};
}

std::span<const LinkId> Topology::out_links(NodeId node) const& {
  const auto& [offsets, links] = data_->out;
  return {links.data() + offsets[node.index()], offsets[node.index() + 1] - offsets[node.index()]};
}

std::span<const LinkId> Topology::in_links(NodeId node) const& {
  const auto& [offsets, links] = data_->in;
  return {links.data() + offsets[node.index()], offsets[node.index() + 1] - offsets[node.index()]};
}

std::string Topology::name_of(const MachineLimit& limit) const {
  switch (limit.kind) {
    case MachineLimit::Kind::link: return fmt::format("{} -> {}", node(links()[limit.index].from).name, node(links()[limit.index].to).name);
    case MachineLimit::Kind::group: return "group " + groups()[limit.index].name;
    case MachineLimit::Kind::egress: return "egress of " + nodes()[limit.index].name;
    case MachineLimit::Kind::ingress: return "ingress of " + nodes()[limit.index].name;
    case MachineLimit::Kind::root_complex: return "root complex of " + nodes()[limit.index].name;
    case MachineLimit::Kind::host_memory: return "host memory";
  }
  return {};
}

Topology::Builder::Builder(std::string name) : data_(std::make_shared<Data>()) { data_->name = std::move(name); }

NodeId Topology::Builder::add_node(Node node) {
  data_->nodes.push_back(std::move(node));
  return NodeId{static_cast<std::int64_t>(data_->nodes.size()) - 1};
}

LinkId Topology::Builder::add_link(Link link) {
  data_->links.push_back(link);
  return LinkId{static_cast<std::int64_t>(data_->links.size()) - 1};
}

void Topology::Builder::add_duplex(NodeId a, NodeId b, LinkKind kind, Bandwidth bandwidth, Seconds latency) {
  add_link({a, b, kind, bandwidth, latency});
  add_link({b, a, kind, bandwidth, latency});
}

void Topology::Builder::add_group(LinkGroup group) { data_->groups.push_back(std::move(group)); }

void Topology::Builder::set_sources(MachineSources sources) { data_->sources = std::move(sources); }

namespace {

Status check_sources(const MachineSources& sources, std::size_t links, std::size_t ranks) {
  for (const auto& value : sources.values) {
    const auto missing = [&](LinkId link) { return link.value < 0 || link.index() >= links; };
    if (std::ranges::any_of(value.links, missing)) return bad_topology(fmt::format("the source of {} names a link that does not exist", value.what));
  }
  if (!sources.words.empty() && sources.words.size() != ranks * ranks) return bad_topology("the words between ranks are of another number of ranks");
  return {};
}

Status check_node(const Node& node) {
  if (node.name.empty()) return bad_topology("a node has no name");
  const auto& [exchange, exchange_loads, posted_writes] = node.switching;
  for (const auto& limit : {node.ingress, node.egress, node.memory, node.root_complex, posted_writes}) {
    if (limit && limit->bytes_per_second() <= 0) return bad_topology(fmt::format("node '{}' has a limit that is not above zero", node.name));
  }
  const bool host = node.kind == NodeKind::host;
  if ((node.memory || node.root_complex) && !host)
    return bad_topology(fmt::format("node '{}' is no host, but has its memory or root complex", node.name));
  if (!host && node.kind != NodeKind::pcie_switch && node.switching != SwitchModel{})
    return bad_topology(fmt::format("node '{}' is no PCIe switch, but has the model of one", node.name));
  const auto is_share = [](double share) { return share > 0 && share <= 1; };
  if (!is_share(exchange) || !is_share(exchange_loads))
    return bad_topology(fmt::format("node '{}' has a share that is not above 0 and at most 1", node.name));
  return {};
}

Status check_link(const Link& link, std::span<const Node> nodes) {
  const auto known = [&](NodeId id) { return id.value >= 0 && id.index() < nodes.size(); };
  if (!known(link.from) || !known(link.to)) return bad_topology("a link joins a node that does not exist");
  const auto name = fmt::format("link {} -> {}", nodes[link.from.index()].name, nodes[link.to.index()].name);
  if (link.from == link.to) return bad_topology(fmt::format("{} joins a node to itself", name));
  if (link.bandwidth.bytes_per_second() <= 0) return bad_topology(fmt::format("{} has a bandwidth that is not above zero", name));
  // A second of latency is already absurd for a link; a bound keeps the simulator's clock from overflowing.
  if (!std::isfinite(link.latency.count()) || link.latency.count() < 0 || link.latency.count() > 1) {
    return bad_topology(fmt::format("{} has a latency that is not between 0 and 1 s", name));
  }
  return {};
}

// What any part of the machine carries together is then a whole number that fits.
Status check_sum(std::span<const Link> links) {
  constexpr std::int64_t most = std::int64_t{1} << 62;
  std::int64_t sum = 0;
  for (const auto& link : links) {
    if (link.bandwidth.bytes_per_second() > most - sum)
      return bad_topology(
          fmt::format("the links have more than {:.3g} GB/s together, which is the most that can be counted", static_cast<double>(most) * 1e-9));
    sum += link.bandwidth.bytes_per_second();
  }
  return {};
}

Status check_group(const LinkGroup& group, std::size_t links) {
  if (group.links.empty()) return bad_topology(fmt::format("group '{}' has no links", group.name));
  if (group.bandwidth.bytes_per_second() <= 0) return bad_topology(fmt::format("group '{}' has a bandwidth that is not above zero", group.name));
  for (const auto link : group.links) {
    if (link.value < 0 || link.index() >= links) return bad_topology(fmt::format("group '{}' names a link that does not exist", group.name));
  }
  auto sorted = group.links;
  std::ranges::sort(sorted);
  if (std::ranges::adjacent_find(sorted) != sorted.end()) return bad_topology(fmt::format("group '{}' names a link twice", group.name));
  return {};
}

}  // namespace

Result<Topology> Topology::Builder::build() && {
  auto& data = *data_;
  data.ranks.assign(data.nodes.size(), -1);
  for (std::size_t i = 0; i < data.nodes.size(); ++i) {
    const auto& node = data.nodes[i];
    if (auto ok = check_node(node); !ok) return std::move(ok).error();
    const NodeId id{static_cast<std::int64_t>(i)};
    if (!data.by_name.emplace(node.name, id).second) return bad_topology(fmt::format("two nodes are called '{}'", node.name));
    if (node.kind != NodeKind::gpu) continue;
    data.ranks[i] = static_cast<std::int32_t>(data.gpus.size());
    data.gpus.push_back(id);
  }
  if (data.gpus.empty()) return bad_topology(fmt::format("topology '{}' has no gpu", data.name));
  for (const auto& link : data.links) {
    if (auto ok = check_link(link, data.nodes); !ok) return std::move(ok).error();
  }
  if (auto ok = check_sum(data.links); !ok) return std::move(ok).error();
  for (const auto& group : data.groups) {
    if (auto ok = check_group(group, data.links.size()); !ok) return std::move(ok).error();
  }
  if (auto ok = check_sources(data.sources, data.links.size(), data.gpus.size()); !ok) return std::move(ok).error();
  data.out = adjacency(data.nodes.size(), data.links, &Link::from);
  data.in = adjacency(data.nodes.size(), data.links, &Link::to);
  Topology topology{data_};
  for (std::size_t l = 0; l < data.links.size(); ++l) data.ids.emplace_back(static_cast<std::int64_t>(l));
  data.staging = staging_links(topology);
  data.limits = machine_limits(topology, data.ids, data.staging);
  data_.reset();
  return topology;
}

bool has_budgets(const Topology& topology) { return topology.limits().size() > topology.links().size(); }

TopologyGraph make_graph(const Topology& topology) {
  TopologyGraph graph(topology.nodes().size());
  for (std::size_t i = 0; i < topology.nodes().size(); ++i) graph[i] = NodeId{static_cast<std::int64_t>(i)};
  for (std::size_t i = 0; i < topology.links().size(); ++i) {
    const auto& link = topology.links()[i];
    boost::add_edge(link.from.index(), link.to.index(), LinkId{static_cast<std::int64_t>(i)}, graph);
  }
  return graph;
}

}  // namespace p2plab
