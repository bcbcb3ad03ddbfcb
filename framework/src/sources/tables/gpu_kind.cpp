// SPDX-License-Identifier: Apache-2.0
#include "p2plab/machine/gpu_kind.h"

#include <algorithm>

#include "sources/tables/gpu_models.h"
#include "structure/with_rates.h"

namespace p2plab {

namespace {

constexpr std::string_view what = "GPUs";

}  // namespace

std::optional<GpuKind> gpu_kind(const Topology& topology) {
  const GpuModel* model = nullptr;
  for (const auto& value : topology.sources().values) {
    if (value.what != what) continue;
    const auto* named = known_gpu_model(value.value);
    if (named == nullptr || (model != nullptr && named != model)) return std::nullopt;
    model = named;
  }
  if (model == nullptr) return std::nullopt;
  return GpuKind{std::string{model->title}, model->pcie_generation, model->compute_capability};
}

std::optional<SourcedValue> gpu_source(std::string_view name, Origin origin, std::string source) {
  const auto* model = known_gpu_model(name);
  if (model == nullptr) return std::nullopt;
  return SourcedValue{.what = std::string{what}, .value = std::string{model->title}, .origin = origin, .source = std::move(source)};
}

Topology with_source(const Topology& topology, SourcedValue value) {
  auto sources = topology.sources();
  sources.values.insert(sources.values.begin(), std::move(value));
  auto same = with_rates(topology, {}, std::move(sources));
  expects(static_cast<bool>(same));
  return *std::move(same);
}

}  // namespace p2plab
