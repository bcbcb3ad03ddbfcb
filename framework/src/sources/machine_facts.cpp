// SPDX-License-Identifier: Apache-2.0
#include "p2plab/machine/machine_facts.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "sources/facts_graph.h"

namespace p2plab {

namespace {

bool is_nvidia_gpu(const PciFact& device) { return device.vendor == "0x10de" && device.device_class.starts_with("0x03"); }

class Building {
 public:
  Building(const MachineFacts& facts, const MachineAnswers& answers) : facts_(facts), answers_(answers), gpus_(seen_gpus(facts)) {}

  Result<Detected> run() {
    if (gpus_.empty()) return nothing_seen();
    compare_sources();
    describe();
    auto machine = graph_of(facts_, gpus_, answers_);
    if (!machine) return std::move(machine).error();
    for (auto& warning : machine->warnings) warnings_.push_back(std::move(warning));
    return Detected{std::move(machine->topology), std::move(told_), std::move(disagreements_), std::move(warnings_)};
  }

 private:
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
      const auto links = nvlinks_between(gpus_, static_cast<std::size_t>(peer.from), static_cast<std::size_t>(peer.to));
      if (links > 0 && !peer.access) {
        disagree(fmt::format("NVML joins gpu{} and gpu{} by NVLink, but CUDA lets gpu{} not reach gpu{}'s memory: their way over NVLink is left out",
                             peer.from, peer.to, peer.from, peer.to));
      }
    }
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

  const MachineFacts& facts_;
  const MachineAnswers& answers_;
  std::vector<SeenGpu> gpus_;
  std::vector<SourcedFact> told_;
  std::vector<std::string> disagreements_;
  std::vector<std::string> warnings_;
};

}  // namespace

Result<Detected> build_machine(const MachineFacts& facts, const MachineAnswers& answers) { return Building(facts, answers).run(); }

std::string facts_text(const Detected& detected) {
  std::size_t widest = 0;
  for (const auto& fact : detected.facts) widest = std::max(widest, fact.subject.size());
  std::string text;
  for (const auto& [subject, fact, source] : detected.facts) text += fmt::format("{:<{}}  {} ({})\n", subject, widest, fact, source);
  for (const auto& disagreement : detected.disagreements) text += "disagreement: " + disagreement + '\n';
  return text;
}

}  // namespace p2plab
