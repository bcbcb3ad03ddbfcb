// SPDX-License-Identifier: Apache-2.0
#include "sources/device_rates.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include <fmt/format.h>

namespace p2plab {

namespace {

Bandwidth part_of(double share, Bandwidth rate) {
  return Bandwidth::bytes_per_second(static_cast<std::int64_t>(share * static_cast<double>(rate.bytes_per_second())));
}

// Where the CPU is told, its PCIe caps that of GPUs of which only the table knows.
Sourced capped(Sourced value, const GpuModel& model, const std::string& cpu) {
  if (value.origin != Origin::known) return value;
  const auto* generation = cpu.empty() ? nullptr : *find_cpu_generation(cpu);
  if (generation != nullptr && generation->pcie < model.pcie_generation) {
    value.rate = pcie_rate(transfers_of_generation(generation->pcie), model.pcie_lanes).value_or(value.rate);
    value.source = fmt::format("table of CPUs: {} has PCIe {}", generation->title, generation->pcie);
  } else {
    value.source += ", if its slot is as wide and fast (--machine pcie_gen, pcie_width)";
  }
  return value;
}

}  // namespace

Sourced through_host_memory(const Sourced& pcie) {
  const auto least = pcie.least > Bandwidth{} ? pcie.least : pcie.rate;
  return {part_of(0.5, pcie.rate),
          Origin::assumed,
          "half of PCIe, as memory and root complex leave a part (reports: 0.07 to 0.46); p2plab bench measures it",
          "host_memory",
          part_of(0.07, least),
          std::max(pcie.rate, pcie.most)};
}

Sourced DeviceRates::host_memory(const Device& part) const {
  if (answers_.host_memory > Bandwidth{}) return {answers_.host_memory, Origin::read, "--machine host_memory"};
  return through_host_memory(pcie(part));
}

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
  const auto* model = tree_.model != nullptr ? tree_.model : known_gpu_model(answers_.gpu);
  if (part.pcie) return model != nullptr ? capped(*part.pcie, *model, answers_.cpu) : *part.pcie;
  if (model != nullptr && model->pcie_lanes > 0 && part.kind == DeviceKind::gpu)
    return capped({pcie_rate(*model), Origin::known, fmt::format("table of GPUs: {}", model->title)}, *model, answers_.cpu);
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
  const auto* model = tree_.model != nullptr ? tree_.model : known_gpu_model(answers_.gpu);
  if (cpu.vendor.empty() && std::ranges::any_of(gpus_, [&](std::size_t gpu) { return tree_.devices[gpu].chip_to_chip.has_value(); }))
    return of(**find_cpu_generation("grace"), Origin::known, "table of CPUs: NVIDIA Grace, which such GPUs are on; NCCL's figure", "socket_link");
  double fastest = 0;
  for (const auto gpu : gpus_) fastest = std::max(fastest, pcie(tree_.devices[gpu]).rate.gbps());
  const auto& usual = usual_cpu(model != nullptr && model->pcie_generation > 0 ? model->pcie_generation : fastest < 20 ? 3 : fastest < 40 ? 4 : 5);
  const auto why = cpu.vendor.empty() ? std::string{"the CPUs are not named"}
                                      : fmt::format("the table of CPUs has no {} of family {}, model {}", cpu.vendor, cpu.family, cpu.model);
  return {GBps(usual.rate), Origin::assumed, fmt::format("{}, as between {}", why, usual.title), "socket_link", GBps(6), GBps(256)};
}

SwitchModel DeviceRates::switch_model(const Device& part, const std::string& name, SourceList& sources) const {
  const auto answered = answers_.pcie_switch.empty() ? Result<const KnownSwitch*>{part.known_switch} : find_switch(answers_.pcie_switch);
  if (part.kind != DeviceKind::bridge || !answered || *answered == nullptr || (*answered)->model == SwitchModel{}) return {};
  const auto& known = **answered;
  sources.add({.what = "PCIe switch " + name, .value = std::string{known.title}, .origin = Origin::known, .source = std::string{known.source}});
  return known.model;
}

}  // namespace p2plab
