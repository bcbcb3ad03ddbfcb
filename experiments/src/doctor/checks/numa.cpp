// SPDX-License-Identifier: Apache-2.0
// Which memory and which processors are near to a GPU, and may this process use them?
#include <algorithm>
#include <charconv>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "doctor/check.h"
#include "p2plab/machine/topology_view.h"

namespace p2plab::doctor::checks {

namespace {

// "0-3,8" as numbers; none if it is no such list.
std::optional<std::set<int>> processors(const std::string& text) {
  std::set<int> all;
  std::stringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    int first = 0;
    auto [end, fault] = std::from_chars(part.data(), part.data() + part.size(), first);
    int last = first;
    if (fault != std::errc{}) return std::nullopt;
    if (*end == '-') std::from_chars(end + 1, part.data() + part.size(), last);
    if (last < first || last > (1 << 16)) return std::nullopt;
    for (int p = first; p <= last; ++p) all.insert(p);
  }
  return all;
}

std::size_t numa_nodes(const Patient& patient) {
  return static_cast<std::size_t>(
      std::ranges::count(patient.facts().readings, std::string{reading::numa_distances}, [](const Reading& one) { return one.what; }));
}

void look_at_processors(const Patient& patient, Complaints& complaints) {
  const auto allowed = patient.text(machine, reading::processors_allowed);
  const auto mine = allowed ? processors(*allowed) : std::nullopt;
  if (!mine) return;
  std::set<int> told;
  for (const auto& gpu : patient.gpus()) {
    if (gpu.pci == nullptr || gpu.pci->numa < 0 || !told.insert(gpu.pci->numa).second) continue;
    const auto node = fmt::format("node{}", gpu.pci->numa);
    const auto near = processors(patient.text(node, reading::numa_processors).value_or("?"));
    if (!near || near->empty()) continue;
    if (std::ranges::any_of(*near, [&](int p) { return mine->contains(p); })) continue;
    complaints.add(
        {.finding = {.name = "numa.far_processors",
                     .severity = Severity::risk,
                     .what = fmt::format("this process may not run on any processor near to {} (NUMA node {})", gpu.name, gpu.pci->numa),
                     .no_worth = "none by links between GPUs: what goes through host memory, and launches, take longer",
                     .evidence = {patient.evidence(machine, reading::processors_allowed), patient.evidence(node, reading::numa_processors)},
                     .remedies = {{"give the job the processors of all its GPUs' nodes (taskset, numactl, docker --cpuset-cpus, Slurm's --gpu-bind)",
                                   "jobs that were kept apart meet"}}}});
  }
}

void look_at_distances(const Patient& patient, Complaints& complaints) {
  constexpr int local = 10;
  constexpr int unreachable = 255;
  for (const auto& one : patient.facts().readings) {
    if (one.what != reading::numa_distances || !one.missing.empty()) continue;
    std::stringstream words(one.value);
    bool odd = false;
    bool has_local = false;
    for (int distance = 0; words >> distance;) {
      odd = odd || distance >= unreachable || distance < local;
      has_local = has_local || distance == local;
    }
    if (!odd && has_local) continue;
    complaints.add({.finding = {.name = "numa.distances",
                                .severity = Severity::risk,
                                .what = fmt::format("the firmware's table of NUMA distances makes no sense for {}", one.subject),
                                .no_worth = "not known: memory and threads may be put far away",
                                .evidence = {evidence_of(one)},
                                .remedies = {{"update the BIOS; bind by hand (numactl --cpunodebind, --membind)", ""}}}});
  }
}

void look_at_nodes(const Patient& patient, Complaints& complaints) {
  std::vector<std::string> placeless;
  for (const auto& gpu : patient.gpus()) {
    if (gpu.pci != nullptr && gpu.pci->numa < 0) placeless.push_back(gpu.name);
  }
  if (!placeless.empty() && numa_nodes(patient) > 1) {
    complaints.add(
        {.finding = {.name = "numa.placeless",
                     .severity = patient.virtual_machine() ? Severity::unknown : Severity::risk,
                     .what = fmt::format("{} NUMA nodes, but the firmware does not say at which {} are", numa_nodes(patient), short_names(placeless)),
                     .no_worth = "not known: buffers and threads may be put at the far socket",
                     .evidence = {fmt::format("numa_node of {} is -1 (sysfs)", placeless.front())},
                     .remedies = {{"update the BIOS; nvidia-smi topo -m; bind by hand (numactl)", ""}}}});
  }
  look_at_distances(patient, complaints);
  look_at_processors(patient, complaints);
}

}  // namespace

Check numa() { return {"numa", "GPUs' NUMA nodes are known, and this process may use their processors", look_at_nodes}; }

}  // namespace p2plab::doctor::checks
