#include "p2plab/machine_facts.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <set>

#include <fmt/format.h>

#include "nccl_machine.h"
#include "p2plab/mask.h"

namespace p2plab {

namespace {

// A GPU with what each source says of it.
struct Gpu {
  std::string bus_id;
  const NvmlGpu* nvml = nullptr;
  const CudaGpu* cuda = nullptr;
  const PciFact* pci = nullptr;
};

template <class T>
const T* find_by_bus(const std::vector<T>& all, const std::string& bus_id) {
  const auto found = std::ranges::find(all, bus_id, &T::bus_id);
  return found == all.end() ? nullptr : &*found;
}

// "32.0 GT/s PCIe"; 0 if there is no number.
double transfer_rate(const std::string& text) {
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

bool is_nvidia_gpu(const PciFact& device) { return device.vendor == "0x10de" && device.device_class.starts_with("0x03"); }

class Building {
 public:
  explicit Building(const MachineFacts& facts) : facts_(facts) {}

  Result<Detected> run() {
    collect_gpus();
    if (gpus_.empty()) return nothing_seen();
    compare_sources();
    describe();
    auto machine = graph();
    if (!machine) return std::move(machine).error();
    for (auto& warning : machine->warnings) warnings_.push_back(std::move(warning));
    auto reachable = without_refused_peers(std::move(machine->topology));
    if (!reachable) return std::move(reachable).error();
    return Detected{*std::move(reachable), std::move(told_), std::move(disagreements_), std::move(warnings_)};
  }

 private:
  void collect_gpus() {
    for (const auto& gpu : facts_.cuda)
      gpus_.push_back({gpu.bus_id, find_by_bus(facts_.nvml, gpu.bus_id), &gpu, find_by_bus(facts_.pci, gpu.bus_id)});
    if (!gpus_.empty()) return;
    for (const auto& gpu : facts_.nvml) gpus_.push_back({gpu.bus_id, &gpu, nullptr, find_by_bus(facts_.pci, gpu.bus_id)});
  }

  Error nothing_seen() const {
    Error error{ErrorCode::no_device, "no GPU can be seen on this machine"};
    if (!facts_.cuda_missing.empty()) error.notes.push_back("CUDA: " + facts_.cuda_missing);
    if (!facts_.nvml_missing.empty()) error.notes.push_back("NVML: " + facts_.nvml_missing);
    const auto there = std::ranges::count_if(facts_.pci, is_nvidia_gpu);
    error.notes.push_back(there > 0 ? fmt::format("sysfs: {} GPUs of NVIDIA are on PCIe, so their driver is what lacks", there)
                                    : "sysfs: no GPU of NVIDIA is on PCIe");
    error.notes.emplace_back(
        "on the machine with the GPUs: nvidia-smi topo -m > topo.txt; p2plab topo import --format smi topo.txt --out machine.yaml");
    error.notes.emplace_back("without any GPU: name a machine, as in hgx-h200:gpus=4 (p2plab topo presets lists them)");
    return error;
  }

  static std::string name(std::size_t gpu) { return fmt::format("gpu{}", gpu); }
  void disagree(std::string text) { disagreements_.push_back(std::move(text)); }
  void tell(std::string subject, std::string fact, std::string source) { told_.push_back({std::move(subject), std::move(fact), std::move(source)}); }

  void compare_sources() {
    if (!facts_.cuda_missing.empty())
      warnings_.push_back(fmt::format("CUDA told nothing ({}): whether GPUs reach each other is not known", facts_.cuda_missing));
    if (!facts_.nvml_missing.empty()) warnings_.push_back(fmt::format("NVML told nothing ({}): NVLinks are not known", facts_.nvml_missing));
    if (facts_.cuda_missing.empty() && facts_.nvml_missing.empty() && facts_.cuda.size() != facts_.nvml.size()) {
      disagree(fmt::format("NVML sees {} GPUs, CUDA {}: CUDA's are the ranks (CUDA_VISIBLE_DEVICES chooses them)", facts_.nvml.size(),
                           facts_.cuda.size()));
    }
    for (std::size_t g = 0; g < gpus_.size(); ++g) {
      const auto& gpu = gpus_[g];
      if (gpu.cuda != nullptr && gpu.nvml == nullptr && facts_.nvml_missing.empty())
        disagree(fmt::format("{} at {} is CUDA's, but NVML does not know it", name(g), gpu.bus_id));
      if (gpu.cuda != nullptr && gpu.nvml != nullptr && gpu.cuda->name != gpu.nvml->name) {
        disagree(fmt::format("{} is '{}' for CUDA, '{}' for NVML", name(g), gpu.cuda->name, gpu.nvml->name));
      }
      if (gpu.pci == nullptr)
        disagree(fmt::format("{} at {} is not in sysfs: PCIe of 8 GT/s at host0 is assumed", name(g), gpu.bus_id));
      else if (gpu.cuda != nullptr && gpu.cuda->numa >= 0 && gpu.pci->numa >= 0 && gpu.cuda->numa != gpu.pci->numa) {
        disagree(fmt::format("{} is at NUMA node {} for CUDA, at {} for sysfs: sysfs is believed", name(g), gpu.cuda->numa, gpu.pci->numa));
      }
    }
    compare_peers();
  }

  void compare_peers() {
    for (const auto& peer : facts_.peers) {
      const auto lanes = lanes_between(static_cast<std::size_t>(peer.from), static_cast<std::size_t>(peer.to));
      if (lanes > 0 && !peer.access) {
        disagree(fmt::format("NVML joins gpu{} and gpu{} by NVLink, but CUDA lets gpu{} not reach gpu{}'s memory: their way over NVLink is left out",
                             peer.from, peer.to, peer.from, peer.to));
      }
    }
  }

  // NVLinks between two GPUs, the fewer of both where switches join them.
  int lanes_between(std::size_t a, std::size_t b) const {
    int direct = 0;
    std::array<int, 2> to_switch{};
    for (const auto& [gpu, other, count] : {std::tuple{a, b, &to_switch[0]}, std::tuple{b, a, &to_switch[1]}}) {
      if (gpu >= gpus_.size() || other >= gpus_.size() || gpus_[gpu].nvml == nullptr) return 0;
      for (const auto& link : gpus_[gpu].nvml->links) {
        if (!link.active) continue;
        if (goes_to_switch(link))
          ++*count;
        else if (gpu == a && link.remote == gpus_[other].bus_id)
          ++direct;
      }
    }
    return direct + std::min(to_switch[0], to_switch[1]);
  }

  static bool goes_to_switch(const NvlinkFact& link) {
    return link.remote_kind == "switch" || (link.remote_kind == "unknown" && link.remote.starts_with("ffff"));
  }

  void describe() {
    if (!facts_.driver.empty()) tell("driver", facts_.driver, "NVML");
    for (std::size_t g = 0; g < gpus_.size(); ++g) describe(g);
    for (const auto& peer : facts_.peers) {
      tell(fmt::format("gpu{} -> gpu{}", peer.from, peer.to),
           peer.access ? fmt::format("peer access, atomics {}, performance rank {}", peer.atomics ? "native" : "no", peer.performance_rank)
                       : "no peer access",
           "CUDA");
    }
    if (!facts_.cpu.arch.empty())
      tell("cpu", fmt::format("{} {}, family {}, model {}", facts_.cpu.arch, facts_.cpu.vendor, facts_.cpu.family, facts_.cpu.model),
           "/proc/cpuinfo");
    for (const auto& network : facts_.networks) {
      tell("network",
           fmt::format("{}, {}{}", network.name, network.megabits > 0 ? fmt::format("{} Mbit/s", network.megabits) : "speed not told",
                       network.bus_id.empty() ? "" : ", at " + network.bus_id),
           "sysfs");
    }
  }

  void describe(std::size_t g) {
    const auto& gpu = gpus_[g];
    if (gpu.cuda != nullptr) {
      const auto& cuda = *gpu.cuda;
      tell(name(g),
           fmt::format("{}, {}, compute capability {}.{}, {} multiprocessors", cuda.name, cuda.bus_id, cuda.compute_capability / 10,
                       cuda.compute_capability % 10, cuda.multiprocessors),
           "CUDA");
    }
    if (gpu.nvml != nullptr) {
      std::map<std::string, int> ends;
      int active = 0;
      for (const auto& link : gpu.nvml->links) {
        if (!link.active) continue;
        ++active;
        ++ends[goes_to_switch(link) ? "NVSwitch" : link.remote_kind + " " + link.remote];
      }
      std::string text = fmt::format("{}, {}; {} of {} NVLinks active", gpu.nvml->name, gpu.bus_id, active, gpu.nvml->links.size());
      for (const auto& [end, count] : ends) text += fmt::format(", {} to {}", count, end);
      tell(name(g), text, "NVML");
    }
    if (gpu.pci != nullptr) {
      tell(name(g),
           fmt::format("PCIe {}, {} lanes, NUMA node {}, {}", gpu.pci->speed.empty() ? "of a speed not told" : gpu.pci->speed,
                       known_width(*gpu.pci) ? std::to_string(gpu.pci->width) : "16 assumed",
                       gpu.pci->numa >= 0 ? std::to_string(gpu.pci->numa) : "not told",
                       gpu.pci->parent.empty() ? "at a root" : "behind " + gpu.pci->parent),
           "sysfs");
    }
  }

  static bool known_width(const PciFact& device) { return device.width > 0 && device.width <= 32; }

  static std::optional<Bandwidth> pcie(const PciFact& device) {
    return pcie_rate(transfer_rate(device.speed), known_width(device) ? device.width : 16);
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

  Result<Imported> graph() {
    NcclMachine machine{.name = facts_.name, .hosts = {}, .devices = {}};
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
      machine.hosts.push_back({.machine = "0", .cpu = {facts_.cpu.arch, facts_.cpu.vendor, facts_.cpu.family, facts_.cpu.model}});
    }
    const auto places = meeting_places(ends);
    for (const auto& device : facts_.pci) {
      if (places.contains(device.bus_id)) add_bridge(machine, device, places);
    }
    for (std::size_t g = 0; g < gpus_.size(); ++g) add_gpu(machine, g, places);
    for (const auto& network : facts_.networks) add_network(machine, network, places);
    return build_machine(machine);
  }

  void place(NcclDevice& device, const PciFact* pci, const std::set<std::string>& places) const {
    if (pci == nullptr) return;
    device.host = host_of_.contains(pci->numa) ? host_of_.at(pci->numa) : 0;
    device.pcie = pcie(*pci);
    for (const auto* bridge : above(*pci)) {
      if (!places.contains(bridge->bus_id)) continue;
      device.parent = bridges_.at(bridge->bus_id);
      return;
    }
  }

  void add_bridge(NcclMachine& machine, const PciFact& pci, const std::set<std::string>& places) {
    NcclDevice device{.kind = NcclDeviceKind::bridge, .bus_id = pci.bus_id, .pcie = std::nullopt, .network = {}};
    place(device, &pci, places);
    bridges_[pci.bus_id] = static_cast<int>(machine.devices.size());
    machine.devices.push_back(std::move(device));
  }

  void add_gpu(NcclMachine& machine, std::size_t g, const std::set<std::string>& places) {
    const auto& gpu = gpus_[g];
    NcclDevice device{.kind = NcclDeviceKind::gpu,
                      .bus_id = gpu.bus_id,
                      .pcie = std::nullopt,
                      .has_gpu_element = true,
                      .dev = static_cast<int>(g),
                      .rank = static_cast<int>(g),
                      .network = {}};
    const int capability = gpu.cuda != nullptr ? gpu.cuda->compute_capability : gpu.nvml->compute_capability;
    if (capability > 0) device.compute_capability = capability;
    place(device, gpu.pci, places);
    std::map<std::pair<std::string, std::string>, int> lanes;
    for (const auto& link : gpu.nvml != nullptr ? gpu.nvml->links : std::vector<NvlinkFact>{}) {
      if (link.active) ++lanes[{link.remote, goes_to_switch(link) ? "0x068000" : link.remote_kind == "cpu" ? "0x068001" : "0x030200"}];
    }
    for (const auto& [end, count] : lanes) device.lanes.push_back({end.first, end.second, count, false});
    machine.devices.push_back(std::move(device));
  }

  void add_network(NcclMachine& machine, const NetworkFact& network, const std::set<std::string>& places) {
    constexpr int assumed = 10'000;  // as NCCL does
    NcclDevice device{.kind = NcclDeviceKind::nic, .bus_id = network.bus_id, .pcie = std::nullopt, .on_pcie = false, .network = {}};
    const auto* pci = find_by_bus(facts_.pci, network.bus_id);
    device.on_pcie = pci != nullptr;
    place(device, pci, places);
    if (network.megabits <= 0) warnings_.push_back(fmt::format("the speed of {} is not told: {} Mbit/s assumed", network.name, assumed));
    device.network = Bandwidth::bytes_per_second(std::int64_t{network.megabits > 0 ? network.megabits : assumed} * 125'000);
    machine.devices.push_back(std::move(device));
  }

  Result<Topology> without_refused_peers(Topology topology) const {
    Mask mask;
    for (const auto& peer : facts_.peers) {
      if (!peer.access && lanes_between(static_cast<std::size_t>(peer.from), static_cast<std::size_t>(peer.to)) > 0) {
        mask.links.push_back(
            {.from = name(static_cast<std::size_t>(peer.from)), .to = name(static_cast<std::size_t>(peer.to)), .both_directions = false});
      }
    }
    if (mask.links.empty()) return topology;
    return apply_mask(topology, mask);
  }

  const MachineFacts& facts_;
  std::vector<Gpu> gpus_;  // in order of rank
  std::map<int, int> host_of_;
  std::map<std::string, int> bridges_;
  std::vector<SourcedFact> told_;
  std::vector<std::string> disagreements_;
  std::vector<std::string> warnings_;
};

}  // namespace

Result<Detected> build_machine(const MachineFacts& facts) { return Building(facts).run(); }

std::string facts_text(const Detected& detected) {
  std::size_t widest = 0;
  for (const auto& fact : detected.facts) widest = std::max(widest, fact.subject.size());
  std::string text;
  for (const auto& [subject, fact, source] : detected.facts) text += fmt::format("{:<{}}  {} ({})\n", subject, widest, fact, source);
  for (const auto& disagreement : detected.disagreements) text += "disagreement: " + disagreement + '\n';
  return text;
}

}  // namespace p2plab
