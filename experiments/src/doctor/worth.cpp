// SPDX-License-Identifier: Apache-2.0
#include "doctor/worth.h"

#include <map>

#include "p2plab/bounds/bounds.h"
#include "p2plab/machine/fabric.h"

namespace p2plab::doctor {

std::set<std::string> shared_bridges(const MachineFacts& facts) {
  std::map<std::string, std::string> parent;
  for (const auto& device : facts.pci) parent[device.bus_id] = device.parent;
  std::set<std::string> gpus;
  for (const auto& gpu : facts.cuda) gpus.insert(gpu.bus_id);
  for (const auto& gpu : facts.nvml) {
    if (facts.cuda.empty()) gpus.insert(gpu.bus_id);
  }
  std::map<std::string, int> below;
  for (auto at : gpus) {
    for (std::size_t hops = 0; hops <= facts.pci.size() && parent.contains(at) && !parent[at].empty(); ++hops) {
      at = parent[at];
      ++below[at];
    }
  }
  std::set<std::string> shared;
  for (const auto& [bridge, count] : below) {
    if (count > 1) shared.insert(bridge);
  }
  return shared;
}

Result<double> most_busbw(const MachineFacts& facts) {
  const auto detected = build_machine(facts);
  if (!detected) return detected.error();
  auto job = peer_links(detected->topology);
  if (!job) return std::move(job).error();
  const auto found = bound(*job, make_collective(CollectiveKind::all_reduce, job->ranks()));
  if (!found) return 0.0;
  return found->algbw_gbps() * bus_factor(CollectiveKind::all_reduce, job->ranks());
}

}  // namespace p2plab::doctor
