// SPDX-License-Identifier: Apache-2.0
#include "sources/device_rates.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace p2plab {

// Where the description does not tell, 16 lanes of the third generation, as NCCL takes it.
Sourced DeviceRates::pcie(const Device& part) const {
  if (answers_.pcie > Bandwidth{} && (part.kind == DeviceKind::gpu || !part.pcie)) return {answers_.pcie, Origin::read, "--machine pcie"};
  if (part.kind == DeviceKind::gpu && (answers_.pcie_gen > 0 || answers_.pcie_width > 0)) {
    const auto* model = known_gpu_model(answers_.gpu);
    auto rate = answers_.pcie_gen > 0 ? transfers_of_generation(answers_.pcie_gen) : part.transfers;
    if (rate == 0) rate = model != nullptr ? transfers_of_generation(model->pcie_generation) : 8;
    const auto given = part.width > 0 ? part.width : model != nullptr ? model->pcie_lanes : 16;
    if (const auto answer = pcie_rate(rate, answers_.pcie_width > 0 ? answers_.pcie_width : given))
      return {*answer, Origin::read, "--machine pcie_gen, pcie_width"};
  }
  if (part.pcie) return *part.pcie;
  if (const auto* model = known_gpu_model(answers_.gpu); model != nullptr && part.kind == DeviceKind::gpu)
    return {pcie_rate(*model), Origin::known, fmt::format("table of GPUs: {}", model->title)};
  return {*pcie_rate(8, 16), Origin::assumed, "no speed is told, 8 GT/s and 16 lanes as in NCCL", "pcie", *pcie_rate(8, 8), *pcie_rate(32, 16)};
}

Sourced DeviceRates::socket_link(const CpuModel& cpu) const {
  if (answers_.socket_link > Bandwidth{}) return {answers_.socket_link, Origin::read, "--machine socket_link"};
  const CpuGeneration* generation = cpu_generation(cpu);
  if (!answers_.cpu.empty()) generation = *find_cpu_generation(answers_.cpu);
  const auto of = [](const CpuGeneration& one, Origin origin, std::string source, std::string key) {
    return Sourced{GBps(one.rate), origin, std::move(source), std::move(key), GBps(one.least), GBps(one.most)};
  };
  if (generation != nullptr) return of(*generation, Origin::known, fmt::format("table of CPUs: {}, NCCL's figure", generation->title), "socket_link");
  double fastest = 0;
  for (const auto gpu : gpus_) fastest = std::max(fastest, pcie(tree_.devices[gpu]).rate.gbps());
  const auto& usual = usual_cpu(fastest < 20 ? 3 : fastest < 40 ? 4 : 5);
  return {GBps(usual.rate), Origin::assumed, fmt::format("the CPUs are not named, as between {}", usual.title), "socket_link", GBps(6), GBps(256)};
}

}  // namespace p2plab
