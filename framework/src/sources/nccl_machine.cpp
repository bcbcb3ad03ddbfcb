// SPDX-License-Identifier: Apache-2.0
#include "sources/nccl_machine.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "p2plab/detail/text.h"

namespace p2plab {

namespace {

class NcclMachineBuilder {
 public:
  explicit NcclMachineBuilder(const NcclMachine& machine) : machine_(machine), builder_(machine.name), nodes_(machine.devices.size()) {}

  Result<Imported> run() {
    choose_gpus();
    if (gpus_.empty()) return no_gpus();
    mark_needed();
    add_nodes();
    for (const auto gpu : gpus_) add_lanes(gpu);
    add_pcie();
    add_sockets();
    add_network();
    warn();
    auto topology = std::move(builder_).build();
    if (!topology) return std::move(topology).error();
    return Imported{*std::move(topology), std::move(warnings_)};
  }

 private:
  const NcclDevice& device(std::size_t i) const { return machine_.devices[i]; }
  const std::string& machine_of(std::size_t i) const { return machine_.hosts[static_cast<std::size_t>(device(i).host)].machine; }
  std::string name(std::size_t gpu) const { return fmt::format("gpu{}", numbers_[gpu]); }

  // GPUs that NCCL has seen, or, in a file written by hand, every device of a GPU's class.
  void choose_gpus() {
    const bool seen = std::ranges::any_of(machine_.devices, &NcclDevice::has_gpu_element);
    for (std::size_t i = 0; i < machine_.devices.size(); ++i) {
      if (device(i).kind == NcclDeviceKind::gpu && device(i).has_gpu_element == seen) gpus_.push_back(i);
      if (device(i).kind == NcclDeviceKind::gpu && device(i).has_gpu_element != seen) {
        warnings_.push_back(fmt::format("the device {} has a GPU's class but no <gpu> element: left out", quoted(device(i).bus_id)));
      }
    }
    std::set<int> ranks;
    const bool ranked = std::ranges::all_of(gpus_, [&](std::size_t i) { return device(i).rank >= 0 && ranks.insert(device(i).rank).second; });
    const auto order = [&](std::size_t i) {
      return ranked ? std::tuple{std::string{}, device(i).rank, std::string{}} : std::tuple{machine_of(i), device(i).dev, device(i).bus_id};
    };
    std::ranges::stable_sort(gpus_, {}, order);
    numbers_.assign(machine_.devices.size(), -1);
    for (std::size_t g = 0; g < gpus_.size(); ++g) numbers_[gpus_[g]] = static_cast<int>(g);
  }

  Error no_gpus() const {
    Error error{ErrorCode::invalid_input, "no GPU can be recognised: no device has a <gpu> element or a GPU's PCI class"};
    if (machine_.unknown_devices > 0) {
      error.message += fmt::format(" ({} devices have no class at all)", machine_.unknown_devices);
    }
    error.notes.emplace_back("NCCL fills such a file in when it runs: set NCCL_TOPO_DUMP_FILE on the machine and import what it writes");
    return error;
  }

  // A bridge with nothing of interest behind it is left out.
  void mark_needed() {
    needed_.assign(machine_.devices.size(), false);
    for (std::size_t i = machine_.devices.size(); i-- > 0;) {
      if (device(i).kind == NcclDeviceKind::nic || numbers_[i] >= 0) needed_[i] = true;
      if (needed_[i] && device(i).parent >= 0) needed_[static_cast<std::size_t>(device(i).parent)] = true;
    }
  }

  void add_nodes() {
    for (const auto gpu : gpus_) nodes_[gpu] = builder_.add_node({.name = name(gpu), .kind = NodeKind::gpu});
    for (const auto& [kind, node_kind, word] :
         {std::tuple{NcclDeviceKind::bridge, NodeKind::pcie_switch, "pcie"}, std::tuple{NcclDeviceKind::nic, NodeKind::nic, "nic"}}) {
      int number = 0;
      for (std::size_t i = 0; i < machine_.devices.size(); ++i) {
        if (needed_[i] && device(i).kind == kind) nodes_[i] = builder_.add_node({.name = fmt::format("{}{}", word, number++), .kind = node_kind});
      }
    }
    for (std::size_t h = 0; h < machine_.hosts.size(); ++h)
      hosts_.push_back(builder_.add_node({.name = fmt::format("host{}", h), .kind = NodeKind::host}));
    for (const auto gpu : gpus_) by_bus_id_.emplace(std::pair{machine_of(gpu), device(gpu).bus_id}, gpu);
  }

  NodeId switch_of(const std::string& machine) {
    const auto found = switches_.find(machine);
    if (found != switches_.end()) return found->second;
    const auto node = builder_.add_node({.name = fmt::format("nvswitch{}", switches_.size()), .kind = NodeKind::nvswitch});
    return switches_.emplace(machine, node).first->second;
  }

  Bandwidth rate(const NcclDevice& gpu, const NcclLanes& lanes) {
    if (!lanes.xgmi && !gpu.compute_capability) unknown_generation_ = true;
    const auto one = lanes.xgmi ? xgmi_link(gpu.target_name) : nvlink_lane(gpu.compute_capability.value_or(90));
    return Bandwidth::bytes_per_second(one.bytes_per_second() * lanes.count);
  }

  void add_lanes(std::size_t gpu) {
    Bandwidth to_switch;
    for (const auto& lanes : device(gpu).lanes) {
      const auto speed = rate(device(gpu), lanes);
      const auto peer = by_bus_id_.find({machine_of(gpu), lanes.target});
      if (peer != by_bus_id_.end() && peer->second != gpu) {
        builder_.add_link({nodes_[gpu], nodes_[peer->second], LinkKind::nvlink, speed, default_latency(LinkKind::nvlink)});
      } else if (lanes.target_class.starts_with("0x068001")) {
        add_to_host(gpu, speed);
      } else if (lanes.target_class.starts_with("0x0680") || lanes.target.starts_with("fffffff")) {
        to_switch += speed;
      } else {
        const auto why = peer != by_bus_id_.end() ? "itself" : fmt::format("{}, which is no GPU of this file", quoted(lanes.target));
        warnings_.push_back(fmt::format("{} lanes of {} lead to {}: left out", lanes.count, name(gpu), why));
      }
    }
    if (to_switch.bytes_per_second() > 0) {
      builder_.add_duplex(nodes_[gpu], switch_of(machine_of(gpu)), LinkKind::nvlink, to_switch, default_latency(LinkKind::nvlink));
    }
    if (device(gpu).chip_to_chip) add_to_host(gpu, *device(gpu).chip_to_chip);
  }

  void add_to_host(std::size_t gpu, Bandwidth speed) {
    builder_.add_duplex(nodes_[gpu], hosts_[static_cast<std::size_t>(device(gpu).host)], LinkKind::nvlink, speed, default_latency(LinkKind::nvlink));
  }

  void add_pcie() {
    std::map<std::pair<std::string, std::string>, std::size_t> bridges;
    for (std::size_t i = 0; i < machine_.devices.size(); ++i) {
      if (!needed_[i]) continue;
      const auto& part = device(i);
      if (part.kind == NcclDeviceKind::bridge) bridges.emplace(std::pair{machine_of(i), part.bus_id}, i);
      const auto parent = part.parent >= 0 ? nodes_[static_cast<std::size_t>(part.parent)] : hosts_[static_cast<std::size_t>(part.host)];
      if (part.on_pcie) {
        builder_.add_duplex(nodes_[i], parent, LinkKind::pcie, pcie(part), default_latency(LinkKind::pcie));
      } else if (part.network.bytes_per_second() > 0) {
        builder_.add_duplex(nodes_[i], parent, LinkKind::other, part.network, default_latency(LinkKind::other));
      }
    }
    for (std::size_t i = 0; i < machine_.devices.size(); ++i) {
      for (const auto& target : device(i).peer_bridges) {
        const auto peer = bridges.find({machine_of(i), target});
        if (!needed_[i] || peer == bridges.end() || peer->second == i) continue;
        builder_.add_link({nodes_[i], nodes_[peer->second], LinkKind::pcie, pcie(device(i)), default_latency(LinkKind::pcie)});
      }
    }
  }

  // Where the file does not tell, 16 lanes of the third generation, as NCCL takes it.
  Bandwidth pcie(const NcclDevice& part) {
    if (!part.pcie) ++unknown_pcie_;
    return part.pcie.value_or(*pcie_rate(8, 16));
  }

  void add_sockets() {
    for (std::size_t a = 0; a < hosts_.size(); ++a) {
      for (std::size_t b = a + 1; b < hosts_.size(); ++b) {
        if (machine_.hosts[a].machine != machine_.hosts[b].machine) continue;
        const auto rate_a = socket_rate(machine_.hosts[a].cpu);
        const auto rate_b = socket_rate(machine_.hosts[b].cpu);
        unknown_cpu_ = unknown_cpu_ || !rate_a || !rate_b;
        const auto rate = std::min(rate_a.value_or(unknown_socket_rate), rate_b.value_or(unknown_socket_rate));
        builder_.add_duplex(hosts_[a], hosts_[b], LinkKind::upi, rate, default_latency(LinkKind::upi));
      }
    }
  }

  // Several machines in one file meet in one network switch, each interface with the speed of its ports.
  void add_network() {
    const auto& first = machine_.hosts.front().machine;
    if (std::ranges::all_of(machine_.hosts, [&](const NcclHost& host) { return host.machine == first; })) return;
    std::optional<NodeId> network;
    for (std::size_t i = 0; i < machine_.devices.size(); ++i) {
      if (!needed_[i] || device(i).network.bytes_per_second() == 0) continue;
      if (!network) network = builder_.add_node({.name = "network", .kind = NodeKind::network_switch});
      builder_.add_duplex(nodes_[i], *network, LinkKind::network, device(i).network, default_latency(LinkKind::network));
    }
    if (!network) warnings_.emplace_back("the file holds several machines, but no network interface with a speed joins them");
  }

  void warn() {
    const auto& some = device(gpus_.front());
    if (!some.has_gpu_element) {
      warnings_.emplace_back(
          "the file has no <gpu> elements, so NVLinks are not in it (NCCL finds them when it runs): the GPUs are joined by PCIe only");
    }
    if (unknown_generation_) warnings_.emplace_back("a GPU with NVLinks has no compute capability (sm): 25 GB/s a lane assumed");
    if (unknown_pcie_ > 0) warnings_.push_back(fmt::format("{} PCIe links have no speed: 8 GT/s assumed, as in NCCL", unknown_pcie_));
    if (unknown_cpu_) warnings_.emplace_back("the maker or model of a CPU is not known: 10 GB/s between sockets assumed");
    if (machine_.unknown_devices > 0)
      warnings_.push_back(fmt::format("{} devices have neither class nor content: left out", machine_.unknown_devices));
  }

  const NcclMachine& machine_;
  Topology::Builder builder_;
  std::vector<std::size_t> gpus_;  // devices, in order of rank
  std::vector<int> numbers_;       // by device: its place in gpus_, or -1
  std::vector<bool> needed_;
  std::vector<NodeId> nodes_;  // by device
  std::vector<NodeId> hosts_;
  std::map<std::string, NodeId> switches_;  // by machine
  std::map<std::pair<std::string, std::string>, std::size_t> by_bus_id_;
  std::vector<std::string> warnings_;
  bool unknown_generation_ = false;
  bool unknown_cpu_ = false;
  int unknown_pcie_ = 0;
};

}  // namespace

Result<Imported> build_machine(const NcclMachine& machine) { return NcclMachineBuilder{machine}.run(); }

}  // namespace p2plab
