// SPDX-License-Identifier: Apache-2.0
#include "sources/facts_graph.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "p2plab/machine/gpu_kind.h"
#include "sources/device_tree.h"

namespace p2plab {

namespace {

// "32.0 GT/s PCIe"; 0 if there is no number.
double transfer_rate(const std::string& text) {
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

class FactsGraph {
 public:
  FactsGraph(const MachineFacts& facts, const std::vector<SeenGpu>& gpus, const MachineAnswers& answers)
      : facts_(facts), gpus_(gpus), answers_(answers) {}

  Result<Imported> run() {
    DeviceTree machine{.name = facts_.name, .source = "this machine"};
    std::vector<const PciFact*> ends;
    for (const auto& gpu : gpus_) {
      if (gpu.pci != nullptr) ends.push_back(gpu.pci);
    }
    for (const auto& network : facts_.networks) {
      if (const auto* device = find_by_bus(facts_.pci, network.bus_id)) ends.push_back(device);
    }
    std::set<int> numa;
    for (const auto* device : ends) numa.insert(device->numa);
    if (numa.empty()) numa.insert(-1);
    for (const auto node : numa) {
      host_of_[node] = static_cast<int>(machine.hosts.size());
      machine.hosts.push_back({.machine = "0", .cpu = {facts_.cpu.arch, facts_.cpu.vendor, facts_.cpu.family, facts_.cpu.model}, .numa = node});
    }
    const auto places = meeting_places(ends);
    for (const auto& device : facts_.pci) {
      if (places.contains(device.bus_id)) add_bridge(machine, device, places);
    }
    for (std::size_t g = 0; g < gpus_.size(); ++g) add_gpu(machine, g, places);
    for (const auto& network : facts_.networks) add_network(machine, network, places);
    std::set<std::string> names;
    for (const auto& gpu : gpus_) names.insert(gpu.cuda != nullptr ? gpu.cuda->name : gpu.nvml->name);
    for (const auto& name : names) {
      if (auto value = gpu_source(name, Origin::read, "the driver")) machine.values.push_back(*std::move(value));
    }
    add_peers(machine);
    return build_machine(machine, answers_);
  }

 private:
  static std::optional<Sourced> pcie(const PciFact& device) {
    const auto rate = pcie_rate(transfer_rate(device.speed), known_width(device) ? device.width : 16);
    if (!rate) return std::nullopt;
    if (known_width(device)) return Sourced{*rate, Origin::read, "sysfs: max_link_speed, max_link_width"};
    return Sourced{*rate,
                   Origin::assumed,
                   "sysfs gives no number of lanes, 16 as in NCCL",
                   "pcie_width",
                   Bandwidth::bytes_per_second(rate->bytes_per_second() / 4),
                   *rate};
  }

  // The bridges above a device, nearest first.
  std::vector<const PciFact*> above(const PciFact& device) const {
    std::vector<const PciFact*> all;
    for (const auto* at = find_by_bus(facts_.pci, device.parent); at != nullptr && all.size() < facts_.pci.size();
         at = find_by_bus(facts_.pci, at->parent))
      all.push_back(at);
    return all;
  }

  // A bridge counts where ways from two devices meet; ports of one device only are part of its way.
  std::set<std::string> meeting_places(const std::vector<const PciFact*>& devices) const {
    std::map<std::string, std::set<std::string>> branches;
    for (const auto* device : devices) {
      std::string below = device->bus_id;
      for (const auto* bridge : above(*device)) {
        branches[bridge->bus_id].insert(below);
        below = bridge->bus_id;
      }
    }
    std::set<std::string> places;
    for (const auto& [bridge, ways] : branches) {
      if (ways.size() > 1) places.insert(bridge);
    }
    return places;
  }

  void place(Device& device, const PciFact* pci, const std::set<std::string>& places) const {
    if (pci == nullptr) return;
    device.host = host_of_.contains(pci->numa) ? host_of_.at(pci->numa) : 0;
    device.pcie = pcie(*pci);
    device.transfers = transfer_rate(pci->speed);
    device.width = known_width(*pci) ? pci->width : 0;
    for (const auto* bridge : above(*pci)) {
      if (!places.contains(bridge->bus_id)) continue;
      device.parent = bridges_.at(bridge->bus_id);
      return;
    }
  }

  void add_bridge(DeviceTree& machine, const PciFact& pci, const std::set<std::string>& places) {
    Device device{.kind = DeviceKind::bridge, .bus_id = pci.bus_id, .known_switch = switch_of_pci(pci.vendor, pci.device)};
    place(device, &pci, places);
    bridges_[pci.bus_id] = static_cast<int>(machine.devices.size());
    machine.devices.push_back(std::move(device));
  }

  void add_gpu(DeviceTree& machine, std::size_t g, const std::set<std::string>& places) {
    const auto& gpu = gpus_[g];
    Device device{.kind = DeviceKind::gpu, .bus_id = gpu.bus_id, .has_gpu_element = true, .dev = static_cast<int>(g), .rank = static_cast<int>(g)};
    const int capability = gpu.cuda != nullptr ? gpu.cuda->compute_capability : gpu.nvml->compute_capability;
    if (capability > 0) device.compute_capability = capability;
    place(device, gpu.pci, places);
    std::map<std::pair<std::string, std::string>, int> counts;
    for (const auto& link : gpu.nvml != nullptr ? gpu.nvml->links : std::vector<NvlinkFact>{}) {
      if (link.active) ++counts[{link.remote, goes_to_switch(link) ? "0x068000" : link.remote_kind == "cpu" ? "0x068001" : "0x030200"}];
    }
    for (const auto& [end, count] : counts) device.fabric_links.push_back({end.first, end.second, count, false});
    machine.devices.push_back(std::move(device));
  }

  void add_peers(DeviceTree& machine) const {
    if (facts_.peers.empty()) return;
    machine.peers.assign(gpus_.size() * gpus_.size(), "OK");
    machine.peers_source = "CUDA: cuDeviceCanAccessPeer";
    for (const auto& peer : facts_.peers) {
      const auto from = static_cast<std::size_t>(peer.from);
      const auto to = static_cast<std::size_t>(peer.to);
      if (!peer.access && from < gpus_.size() && to < gpus_.size()) machine.peers[from * gpus_.size() + to] = "refused by CUDA";
    }
  }

  void add_network(DeviceTree& machine, const NetworkFact& network, const std::set<std::string>& places) {
    constexpr int assumed = 10'000;  // as NCCL does
    Device device{.kind = DeviceKind::nic, .bus_id = network.bus_id, .on_pcie = false};
    const auto* pci = find_by_bus(facts_.pci, network.bus_id);
    device.on_pcie = pci != nullptr;
    place(device, pci, places);
    device.network_assumed = network.megabits <= 0;
    device.network = Bandwidth::bytes_per_second(std::int64_t{network.megabits > 0 ? network.megabits : assumed} * 125'000);
    machine.devices.push_back(std::move(device));
  }

  const MachineFacts& facts_;
  const std::vector<SeenGpu>& gpus_;
  const MachineAnswers& answers_;
  std::map<int, int> host_of_;
  std::map<std::string, int> bridges_;
};

}  // namespace

Result<Imported> graph_of(const MachineFacts& facts, const std::vector<SeenGpu>& gpus, const MachineAnswers& answers) {
  return FactsGraph(facts, gpus, answers).run();
}

}  // namespace p2plab
