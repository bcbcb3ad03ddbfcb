// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "sources/texts/smi_matrix.h"

namespace p2plab {

std::optional<std::pair<std::size_t, std::string>> gpu_line(std::string_view line) {
  const auto colon = line.find(": ");
  const auto end = line.find(" (UUID");
  if (!line.starts_with("GPU ") || colon == std::string_view::npos || end == std::string_view::npos || end < colon + 2) return std::nullopt;
  std::size_t gpu = 0;
  std::from_chars(line.data() + 4, line.data() + colon, gpu);
  return std::pair{gpu, std::string{line.substr(colon + 2, end - colon - 2)}};
}

NamedGpus named_gpus(const SmiMatrix& matrix) {
  NamedGpus gpus{.own = std::vector<const GpuModel*>(matrix.gpus)};
  const auto slower = [](const GpuModel& a, const GpuModel& b) {
    return std::pair{a.peers == PeerPolicy::yes, pcie_rate(a)} < std::pair{b.peers == PeerPolicy::yes, pcie_rate(b)};
  };
  std::vector<std::string> unknown;
  for (const auto& [gpu, name] : matrix.names) {
    const auto* model = known_gpu_model(name);
    if (gpu < matrix.gpus) gpus.own[gpu] = model;
    if (model == nullptr && std::ranges::find(unknown, name) == unknown.end()) unknown.push_back(name);
    if (model != nullptr && (gpus.model == nullptr || slower(*model, *gpus.model))) gpus.model = model;
  }
  for (const auto& name : unknown)
    gpus.warnings.push_back(fmt::format("{}: '{}' is not in the table of GPUs (--machine gpu=... names one like it)", matrix.gpu_source, name));
  if (matrix.several_models && gpus.model != nullptr)
    gpus.warnings.push_back(
        fmt::format("{}: the GPUs are of different models: PCIe is each one's own, all else that of {}", matrix.gpu_source, gpus.model->title));
  return gpus;
}

}  // namespace p2plab
