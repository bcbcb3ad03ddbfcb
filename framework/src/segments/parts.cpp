// SPDX-License-Identifier: Apache-2.0
#include "segments/parts.h"

namespace p2plab::segments {

Parts parts_of(const Program& whole, const StagedOrder& order) {
  Parts parts{.of = std::vector<Part>(whole.instructions.size()), .instruction = std::vector<std::uint32_t>(order.steps.size(), dropped)};
  for (const auto& lane : whole.lanes) {
    for (auto i = lane.first; i < lane.first + lane.count; ++i) {
      const auto step = whole.instructions[i].step.index();
      parts.of[i] = {order.steps[step].role, order.times[step], lane.rank};
      parts.instruction[step] = i;
    }
  }
  return parts;
}

// Steps of different servers in one stage have no memory in common, so the waits between instructions of one stage are those of one server.
Awaited waits_within_stages(const Program& whole, const Parts& parts) {
  Awaited awaited(whole.instructions.size());
  for (std::size_t i = 0; i < whole.instructions.size(); ++i) {
    if (parts.of[i].role != Role::local) continue;
    for (const auto& wait : whole.waits_of(whole.instructions[i])) {
      const auto other = whole.lanes[wait.lane.index()].first + static_cast<std::uint32_t>(wait.instruction);
      if (parts.of[other].time == parts.of[i].time) awaited[i].push_back(other);
    }
  }
  return awaited;
}

}  // namespace p2plab::segments
