// SPDX-License-Identifier: Apache-2.0
#include "lowered/noted_items.h"

#include <algorithm>

namespace p2plab {

std::vector<std::vector<std::vector<std::int32_t>>> noted_items(const LinkedPackets& linked) {
  std::vector<std::vector<std::vector<std::int32_t>>> columns;
  for (const auto& column : linked.columns) {
    auto& items = columns.emplace_back();
    for (std::uint32_t w = 0; w < column.waves; ++w) {
      const auto& wave = linked.waves[column.wave + w];
      auto& steps = items.emplace_back();
      for (std::uint32_t k = 0; k < wave.count; ++k) {
        const auto step = static_cast<std::int32_t>(linked.origins[column.source + wave.first + k].step.value);
        if (std::ranges::find(steps, step) == steps.end()) steps.push_back(step);
      }
    }
  }
  return columns;
}

std::vector<std::vector<std::vector<std::int32_t>>> noted_items(const Program& program, Rank rank) {
  std::vector<std::vector<std::vector<std::int32_t>>> lanes;
  for (const auto& lane : program.lanes) {
    if (lane.rank != rank) continue;
    auto& items = lanes.emplace_back();
    for (std::uint32_t i = 0; i < lane.count; ++i) items.push_back({static_cast<std::int32_t>(program.instructions[lane.first + i].step.value)});
  }
  return lanes;
}

}  // namespace p2plab
