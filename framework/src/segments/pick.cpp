// SPDX-License-Identifier: Apache-2.0
#include "segments/pick.h"

namespace p2plab::segments {

Program pick(const Program& whole, std::span<const PickedLane> lanes, const Awaited& awaited) {
  Program picked;
  picked.payload = whole.payload;
  picked.tuning = whole.tuning;
  picked.in_place = whole.in_place;
  picked.collective = whole.collective;
  picked.memory = whole.memory;
  picked.route_offsets = whole.route_offsets;
  picked.route_links = whole.route_links;
  std::vector<Wait> places(whole.instructions.size());
  for (const auto& lane : lanes) {
    const LaneId number{static_cast<std::int64_t>(picked.lanes.size())};
    for (std::size_t i = 0; i < lane.instructions.size(); ++i) places[lane.instructions[i]] = {number, static_cast<std::int32_t>(i)};
    picked.lanes.push_back({lane.rank, static_cast<std::uint32_t>(picked.instructions.size()), static_cast<std::uint32_t>(lane.instructions.size())});
    for (const auto index : lane.instructions) {
      auto instruction = whole.instructions[index];
      const auto* const operands = whole.operands.data() + instruction.operands;
      instruction.operands = static_cast<std::uint32_t>(picked.operands.size());
      picked.operands.insert(picked.operands.end(), operands, operands + instruction.sources + instruction.destinations);
      instruction.signals = false;
      picked.instructions.push_back(instruction);
    }
  }
  for (const auto& lane : lanes) {
    for (const auto index : lane.instructions) {
      const auto own = places[index];
      auto& instruction = picked.instructions[picked.lanes[own.lane.index()].first + static_cast<std::uint32_t>(own.instruction)];
      instruction.waits = static_cast<std::uint32_t>(picked.waits.size());
      instruction.wait_count = static_cast<std::uint32_t>(awaited[index].size());
      for (const auto other : awaited[index]) {
        const auto wait = places[other];
        picked.waits.push_back(wait);
        picked.instructions[picked.lanes[wait.lane.index()].first + static_cast<std::uint32_t>(wait.instruction)].signals = true;
      }
    }
  }
  return picked;
}

}  // namespace p2plab::segments
