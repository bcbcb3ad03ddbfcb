// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "p2plab/machine/gpu_facts.h"
#include "sources/tables/gpu_models.h"

namespace p2plab {

namespace {

struct MemoryRate {
  std::string_view title;  // as in the table of GPUs
  double rate = 0;         // GB/s
};

// Makers' data sheets.
constexpr std::array memory_rates{MemoryRate{"GeForce RTX 3090", 936},
                                  MemoryRate{"GeForce RTX 4090", 1008},
                                  MemoryRate{"GeForce RTX 5090", 1792},
                                  MemoryRate{"RTX A6000", 768},
                                  MemoryRate{"RTX 6000 Ada", 960},
                                  MemoryRate{"RTX PRO 6000 Blackwell", 1792},
                                  MemoryRate{"Tesla P40", 347},
                                  MemoryRate{"Tesla P100 SXM2", 732},
                                  MemoryRate{"Tesla V100 SXM2", 900},
                                  MemoryRate{"Tesla V100 PCIe", 900},
                                  MemoryRate{"Tesla T4", 320},
                                  MemoryRate{"A10", 600},
                                  MemoryRate{"A10G", 600},
                                  MemoryRate{"A30", 933},
                                  MemoryRate{"A40", 696},
                                  MemoryRate{"A100 SXM", 2039},
                                  MemoryRate{"A100 PCIe", 1935},
                                  MemoryRate{"A800 SXM", 2039},
                                  MemoryRate{"L4", 300},
                                  MemoryRate{"L20", 864},
                                  MemoryRate{"L40", 864},
                                  MemoryRate{"L40S", 864},
                                  MemoryRate{"H20", 4000},
                                  MemoryRate{"H20-3e", 4800},
                                  MemoryRate{"H100 SXM", 3350},
                                  MemoryRate{"H100 PCIe", 2000},
                                  MemoryRate{"H100 NVL", 3900},
                                  MemoryRate{"H800 SXM", 3350},
                                  MemoryRate{"H200 SXM", 4800},
                                  MemoryRate{"H200 NVL", 4800},
                                  MemoryRate{"GH200", 4000},
                                  MemoryRate{"B200", 7700},
                                  MemoryRate{"B300", 8000},
                                  MemoryRate{"GB200", 8000},
                                  MemoryRate{"GB300", 8000},
                                  MemoryRate{"GB10", 273},
                                  MemoryRate{"Instinct MI100", 1229},
                                  MemoryRate{"Instinct MI210", 1638},
                                  MemoryRate{"Instinct MI250X", 1638},
                                  MemoryRate{"Instinct MI300X", 5300},
                                  MemoryRate{"Instinct MI325X", 6000},
                                  MemoryRate{"Instinct MI355X", 8000}};

}  // namespace

std::optional<GpuFacts> gpu_facts(std::string_view name) {
  const auto* model = known_gpu_model(name);
  for (auto rest = name.substr(0, name.find(':')); model == nullptr && rest.find('-') != std::string_view::npos;) {
    rest.remove_prefix(rest.find('-') + 1);
    model = known_gpu_model(rest);
  }
  if (model == nullptr) return std::nullopt;
  const auto found = std::ranges::find(memory_rates, model->title, &MemoryRate::title);
  return GpuFacts{.title = std::string{model->title},
                  .memory_gb = static_cast<double>(model->memory),
                  .memory_gbps = found == memory_rates.end() ? 0 : found->rate,
                  .links = model->links,
                  .peers_over_pcie = model->peers == PeerPolicy::yes,
                  .peers_over_nvlink = model->peers != PeerPolicy::no};
}

}  // namespace p2plab
