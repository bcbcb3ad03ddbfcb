// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "p2plab/detail/text.h"
#include "p2plab/machine/gpu_kind.h"
#include "sources/device_fabric.h"
#include "sources/device_peers.h"
#include "sources/device_rates.h"
#include "sources/device_tree.h"
#include "sources/source_list.h"

namespace p2plab {

namespace {

class MachineBuilder {
 public:
  MachineBuilder(const DeviceTree& tree, const MachineAnswers& answers)
      : tree_(tree), answers_(answers), rates_(tree, gpus_, answers), builder_(tree.name), nodes_(tree.devices.size()), warnings_(tree.warnings) {}

  Result<Imported> run() {
    choose_gpus();
    if (gpus_.empty()) return no_gpus(tree_);
    const DeviceFabric fabric(tree_, gpus_, answers_);
    const DevicePeers peers(tree_, gpus_, fabric, answers_);
    for (const auto gpu : gpus_) nodes_[gpu] = builder_.add_node({.name = name(gpu), .kind = NodeKind::gpu});
    fabric.add_links(builder_, nodes_, sources_, warnings_);
    if (fabric.joins_all() && !answers_.pcie_beside_nvlink && !peers.any_refused()) {
      sources_.add({.what = "PCIe",
                    .value = "carries nothing",
                    .origin = Origin::known,
                    .source = "a peer access takes the GPUs' own links, which join them all (--machine pcie_beside_nvlink=yes keeps PCIe)"});
    } else if (auto ok = add_server_parts(fabric, peers); !ok) {
      return std::move(ok).error();
    }
    for (const auto& value : peers.values()) sources_.add(value);
    auto machine = finish();
    if (!machine || peers.refused_links().links.empty()) return machine;
    auto reachable = apply_mask(machine->topology, peers.refused_links());
    if (!reachable) return std::move(reachable).error();
    return Imported{*std::move(reachable), std::move(machine->warnings)};
  }

 private:
  const Device& device(std::size_t i) const { return tree_.devices[i]; }
  const NumaNode& host(std::size_t i) const { return tree_.hosts[static_cast<std::size_t>(device(i).host)]; }
  std::string name(std::size_t gpu) const { return fmt::format("gpu{}", numbers_[gpu]); }

  // GPUs that NCCL has seen, or, in a file written by hand, every device of a GPU's class.
  void choose_gpus() {
    const bool seen = std::ranges::any_of(tree_.devices, &Device::has_gpu_element);
    for (std::size_t i = 0; i < tree_.devices.size(); ++i) {
      if (device(i).kind == DeviceKind::gpu && device(i).has_gpu_element == seen) gpus_.push_back(i);
      if (device(i).kind == DeviceKind::gpu && device(i).has_gpu_element != seen) {
        warnings_.push_back(fmt::format("the device {} has a GPU's class but no <gpu> element: left out", quoted(device(i).bus_id)));
      }
    }
    std::set<int> ranks;
    const bool ranked = std::ranges::all_of(gpus_, [&](std::size_t i) { return device(i).rank >= 0 && ranks.insert(device(i).rank).second; });
    const auto order = [&](std::size_t i) {
      return ranked ? std::tuple{std::string{}, device(i).rank, std::string{}} : std::tuple{host(i).machine, device(i).dev, device(i).bus_id};
    };
    std::ranges::stable_sort(gpus_, {}, order);
    numbers_.assign(tree_.devices.size(), -1);
    for (std::size_t g = 0; g < gpus_.size(); ++g) numbers_[gpus_[g]] = static_cast<int>(g);
  }

  // PCIe, sockets, host memory and network interfaces.
  Status add_server_parts(const DeviceFabric& fabric, const DevicePeers& peers) {
    std::vector<int> gpu_hosts;
    for (const auto gpu : gpus_) gpu_hosts.push_back(device(gpu).host);
    auto sockets = find_sockets(tree_, gpu_hosts, answers_);
    if (!sockets) return std::move(sockets).error();
    sockets_ = *std::move(sockets);
    for (auto& value : sockets_.values) sources_.add(value);
    mark_needed(fabric, peers);
    add_nodes(!peers.any_refused());
    chip_to_chip_.assign(tree_.devices.size(), false);
    for (const auto gpu : gpus_) {
      if (const auto& value = fabric.to_host(gpu); value && needed_[gpu]) {
        chip_to_chip_[gpu] = !answers_.pcie_beside_nvlink;
        sources_.add("chip to chip", name(gpu), *value,
                     duplex(nodes_[gpu], host_node(gpu), LinkKind::nvlink, value->rate, default_latency(LinkKind::nvlink)));
      }
    }
    add_pcie();
    add_peer_bridges();
    add_socket_links();
    add_network();
    return {};
  }

  NodeId host_node(std::size_t i) const { return hosts_[static_cast<std::size_t>(sockets_.of_host[static_cast<std::size_t>(device(i).host)])]; }

  // A bridge with nothing of interest behind it is left out; so is PCIe of GPUs that reach all others over links of their own.
  void mark_needed(const DeviceFabric& fabric, const DevicePeers& peers) {
    const bool refused_only = fabric.joins_all() && !answers_.pcie_beside_nvlink;
    for (auto* marks : {&needed_, &passes_, &staged_}) marks->assign(tree_.devices.size(), false);
    for (std::size_t g = 0; g < gpus_.size(); ++g) {
      passes_[gpus_[g]] = peers.passes_bridges(g);
      staged_[gpus_[g]] = peers.staged(g);
    }
    for (std::size_t i = tree_.devices.size(); i-- > 0;) {
      const bool is_gpu = numbers_[i] >= 0;
      needed_[i] = needed_[i] || (is_gpu ? !refused_only || peers.refuses(static_cast<std::size_t>(numbers_[i])) : device(i).kind == DeviceKind::nic);
      if (needed_[i] && device(i).parent >= 0 && !passes_[i]) needed_[static_cast<std::size_t>(device(i).parent)] = true;
    }
  }

  void add_nodes(bool hosts_forward) {
    for (const auto& [kind, node_kind] : {std::pair{DeviceKind::bridge, NodeKind::pcie_switch}, std::pair{DeviceKind::nic, NodeKind::nic}}) {
      for (std::size_t i = 0; i < tree_.devices.size(); ++i) {
        if (!needed_[i] || device(i).kind != kind) continue;
        nodes_[i] = builder_.add_node({.name = part_name(i), .kind = node_kind, .switching = rates_.switch_model(device(i), part_name(i), sources_)});
      }
    }
    for (int h = 0; h < sockets_.count; ++h)
      hosts_.push_back(builder_.add_node({.name = fmt::format("host{}", h), .kind = NodeKind::host, .forwards_peers = hosts_forward}));
  }

  // Both directions, and the ids of their links.
  std::vector<LinkId> duplex(NodeId a, NodeId b, LinkKind kind, Bandwidth rate, Seconds latency) {
    const auto there = builder_.add_link({a, b, kind, rate, latency});
    return {there, builder_.add_link({b, a, kind, rate, latency})};
  }

  std::string part_name(std::size_t i) const {
    if (numbers_[i] >= 0) return name(i);
    int number = 0;
    for (std::size_t k = 0; k < i; ++k) number += needed_[k] && device(k).kind == device(i).kind && numbers_[k] < 0 ? 1 : 0;
    return fmt::format("{}{}", device(i).kind == DeviceKind::nic ? "nic" : "pcie", number);
  }

  void add_pcie() {
    for (std::size_t i = 0; i < tree_.devices.size(); ++i) {
      if (!needed_[i]) continue;
      const auto& part = device(i);
      const auto parent = part.parent >= 0 && !passes_[i] ? nodes_[static_cast<std::size_t>(part.parent)] : host_node(i);
      if (part.on_pcie && chip_to_chip_[i] && parent == host_node(i)) continue;  // the wider way is what hardware takes
      if (part.on_pcie) {
        const auto value = rates_.pcie(part);
        const auto carried = staged_[i] ? rates_.host_memory(part) : value;
        const bool second_part = part.part > 0;  // one port for all ranks of a GPU: its first rank's
        const auto links = duplex(nodes_[i], parent, LinkKind::pcie, carried.rate, pcie_latency * static_cast<double>(hops_to_parent(i)));
        note_uplinks(i, links);
        ports_[{part.host, part.bus_id}].insert(ports_[{part.host, part.bus_id}].end(), links.begin(), links.end());
        if (!second_part) sources_.add("PCIe", part_name(i), value, staged_[i] ? std::vector<LinkId>{} : links);
        if (!second_part && staged_[i]) sources_.add("data through host memory", part_name(i), carried, links);
        sources_.add_latency("PCIe", pcie_latency, Origin::known, "voipmonitor/rtx6kpro, measured through switches");
      } else if (part.network.bytes_per_second() > 0) {
        duplex(nodes_[i], parent, LinkKind::other, part.network, default_latency(LinkKind::other));
      }
    }
    share_ports();
    share_uplinks();
  }

  // One, or all up to the host where the data of a GPU goes past its bridges.
  int hops_to_parent(std::size_t i) const {
    int hops = 1;
    for (auto at = device(i).parent; passes_[i] && at >= 0; at = device(static_cast<std::size_t>(at)).parent) ++hops;
    return hops;
  }

  // Links that stand for the way above a bridge: those of GPUs that go past it, and the bridge's own.
  void note_uplinks(std::size_t i, const std::vector<LinkId>& links) {
    if (device(i).kind == DeviceKind::bridge) uplinks_[i].insert(uplinks_[i].end(), links.begin(), links.end());
    for (auto at = device(i).parent; passes_[i] && at >= 0; at = device(static_cast<std::size_t>(at)).parent) {
      auto& all = uplinks_[static_cast<std::size_t>(at)];
      all.insert(all.end(), links.begin(), links.end());
      if (staged_[i]) staged_[static_cast<std::size_t>(at)] = true;  // the way above it, too, goes to host memory
    }
  }

  void share_uplinks() {
    for (const auto& [bridge, links] : uplinks_) {
      const auto& way = device(bridge);
      if (links.size() > 2) share("above bridge " + way.bus_id, (staged_[bridge] ? rates_.host_memory(way) : rates_.pcie(way)).rate, links);
    }
  }

  void share(const std::string& what, Bandwidth rate, const std::vector<LinkId>& links) {
    for (std::size_t direction = 0; direction < 2; ++direction) {
      LinkGroup group{what + (direction == 0 ? " out" : " in"), rate, {}};
      for (auto i = direction; i < links.size(); i += 2) group.links.push_back(links[i]);
      builder_.add_group(std::move(group));
    }
  }

  // Ranks that are parts of one GPU share its port.
  void share_ports() {
    for (const auto gpu : gpus_) {
      const auto& part = device(gpu);
      if (part.part <= 0 || !part.on_pcie) continue;
      if (part.part == 1) share("port of " + part.bus_id, rates_.pcie(part).rate, ports_[{part.host, part.bus_id}]);
    }
  }

  void add_peer_bridges() {
    std::map<std::pair<std::string, std::string>, std::size_t> bridges;
    for (std::size_t i = 0; i < tree_.devices.size(); ++i) {
      if (needed_[i] && device(i).kind == DeviceKind::bridge) bridges.emplace(std::pair{host(i).machine, device(i).bus_id}, i);
    }
    for (std::size_t i = 0; i < tree_.devices.size(); ++i) {
      for (const auto& target : device(i).peer_bridges) {
        const auto peer = bridges.find({host(i).machine, target});
        if (!needed_[i] || peer == bridges.end() || peer->second == i) continue;
        builder_.add_link({nodes_[i], nodes_[peer->second], LinkKind::pcie, rates_.pcie(device(i)).rate, pcie_latency});
      }
    }
  }

  void add_socket_links() {
    std::vector<const NumaNode*> first(static_cast<std::size_t>(sockets_.count), nullptr);
    for (std::size_t h = 0; h < tree_.hosts.size(); ++h) {
      auto& one = first[static_cast<std::size_t>(sockets_.of_host[h])];
      if (one == nullptr) one = &tree_.hosts[h];
    }
    for (std::size_t a = 0; a < first.size(); ++a) {
      for (std::size_t b = a + 1; b < first.size(); ++b) {
        if (first[a] == nullptr || first[b] == nullptr || first[a]->machine != first[b]->machine) continue;
        const auto value = std::min(rates_.socket_link(first[a]->cpu), rates_.socket_link(first[b]->cpu),
                                    [](const Sourced& x, const Sourced& y) { return x.rate < y.rate; });
        const auto links = duplex(hosts_[a], hosts_[b], LinkKind::upi, value.rate, default_latency(LinkKind::upi));
        sources_.add("socket link", fmt::format("host{} - host{}", a, b), value, links);
        sources_.add_latency("the socket link", default_latency(LinkKind::upi), Origin::known, "a typical figure of this kind of link");
      }
    }
  }

  // Several machines in one file meet in one network switch, each interface with the speed of its ports.
  void add_network() {
    const auto& first = tree_.hosts.front().machine;
    if (std::ranges::all_of(tree_.hosts, [&](const NumaNode& one) { return one.machine == first; })) return;
    std::optional<NodeId> network;
    for (std::size_t i = 0; i < tree_.devices.size(); ++i) {
      const bool answered = answers_.nic > Bandwidth{};
      const auto rate = answered ? answers_.nic : device(i).network;
      if (!needed_[i] || device(i).kind != DeviceKind::nic || rate.bytes_per_second() == 0) continue;
      if (!network) network = builder_.add_node({.name = "network", .kind = NodeKind::network_switch});
      const auto links = duplex(nodes_[i], *network, LinkKind::network, rate, default_latency(LinkKind::network));
      const bool assumed = device(i).network_assumed && !answered;
      sources_.add("network", part_name(i),
                   assumed ? Sourced{rate, Origin::assumed, "no speed is told, 10 Gb/s as in NCCL", "nic", rate, GBps(100)}
                           : Sourced{rate, Origin::read, answered ? "--machine nic" : tree_.source},
                   links);
    }
    if (!network) warnings_.emplace_back("the file holds several machines, but no network interface with a speed joins their PCIe");
  }

  Result<Imported> finish() {
    if (!device(gpus_.front()).has_gpu_element) {
      warnings_.emplace_back(
          "the file has no <gpu> elements, so NVLinks are not in it (NCCL finds them when it runs): the GPUs are joined by PCIe only");
    }
    if (tree_.unknown_devices > 0) warnings_.push_back(fmt::format("{} devices have neither class nor content: left out", tree_.unknown_devices));
    const auto named = gpu_source(answers_.gpu, Origin::read, "--machine gpu");
    for (const auto& value : tree_.values) {
      if (!named || value.what != named->what) sources_.add(value);
    }
    if (named) sources_.add(*named);
    const auto values = sources_.values();
    for (auto& sentence : sentences_of(values)) warnings_.push_back(std::move(sentence));
    builder_.set_sources({values, tree_.words});
    auto topology = std::move(builder_).build();
    if (!topology) return std::move(topology).error();
    return Imported{*std::move(topology), std::move(warnings_)};
  }

  const DeviceTree& tree_;
  const MachineAnswers& answers_;
  std::vector<std::size_t> gpus_;  // devices, in order of rank
  DeviceRates rates_;
  Topology::Builder builder_;
  std::vector<int> numbers_;  // by device: its place in gpus_, or -1
  std::vector<bool> needed_;
  std::vector<NodeId> nodes_;  // by device
  std::vector<NodeId> hosts_;  // by socket
  Sockets sockets_;
  std::map<std::pair<int, std::string>, std::vector<LinkId>> ports_;
  std::vector<bool> chip_to_chip_;                      // by device: a GPU with links of its own to its host, beside which PCIe carries nothing
  std::vector<bool> passes_;                            // by device: a GPU whose data goes past the bridges above it
  std::vector<bool> staged_;                            // by device: what it carries goes through host memory
  std::map<std::size_t, std::vector<LinkId>> uplinks_;  // by bridge
  SourceList sources_;
  std::vector<std::string> warnings_;
};

}  // namespace

Result<Imported> build_machine(const DeviceTree& tree, const MachineAnswers& answers) { return MachineBuilder{tree, answers}.run(); }

}  // namespace p2plab
