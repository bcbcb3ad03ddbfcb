// SPDX-License-Identifier: Apache-2.0
#include "sources/seen_gpus.h"

#include <array>
#include <tuple>

namespace p2plab {

std::vector<SeenGpu> seen_gpus(const MachineFacts& facts) {
  std::vector<SeenGpu> gpus;
  for (const auto& gpu : facts.cuda) gpus.push_back({gpu.bus_id, find_by_bus(facts.nvml, gpu.bus_id), &gpu, find_by_bus(facts.pci, gpu.bus_id)});
  if (!gpus.empty()) return gpus;
  for (const auto& gpu : facts.nvml) gpus.push_back({gpu.bus_id, &gpu, nullptr, find_by_bus(facts.pci, gpu.bus_id)});
  return gpus;
}

bool goes_to_switch(const NvlinkFact& link) {
  return link.remote_kind == "switch" || (link.remote_kind == "unknown" && link.remote.starts_with("ffff"));
}

int nvlinks_between(const std::vector<SeenGpu>& gpus, std::size_t a, std::size_t b) {
  int direct = 0;
  std::array<int, 2> to_switch{};
  for (const auto& [gpu, other, count] : {std::tuple{a, b, &to_switch[0]}, std::tuple{b, a, &to_switch[1]}}) {
    if (gpu >= gpus.size() || other >= gpus.size() || gpus[gpu].nvml == nullptr) return 0;
    for (const auto& link : gpus[gpu].nvml->links) {
      if (!link.active) continue;
      if (goes_to_switch(link))
        ++*count;
      else if (gpu == a && link.remote == gpus[other].bus_id)
        ++direct;
    }
  }
  return direct + std::min(to_switch[0], to_switch[1]);
}

}  // namespace p2plab
