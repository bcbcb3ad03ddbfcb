// SPDX-License-Identifier: Apache-2.0
#include "engine/moment_order.h"

#include <algorithm>

namespace p2plab {

MomentOrder::MomentOrder(const Compiled& program, const ArbitratedLinks& links)
    : program_(program), links_(links), lane_of_stage_(program.stages.size()) {
  for (std::size_t l = 0; l < program.lanes.size(); ++l) {
    const auto end = l + 1 < program.lanes.size() ? program.lanes[l + 1].paths : static_cast<std::uint32_t>(program.paths.size());
    for (auto p = program.lanes[l].paths; p < end; ++p) {
      for (auto s = program.paths[p].first; s < program.paths[p].end; ++s) lane_of_stage_[s] = static_cast<std::uint32_t>(l);
    }
  }
}

MomentOrder::Key MomentOrder::key_of(EventQueue::Packed packed) const {
  const auto [kind, index] = EventQueue::unpack(packed);
  Key key{.kind = static_cast<std::uint32_t>(kind), .event = packed};
  std::uint32_t lane = index / program_.blocks_per_lane;
  key.part = index % program_.blocks_per_lane;
  if (kind == EventKind::hop) {
    const auto& transfer = links_.transfer(index);
    lane = transfer.block / program_.blocks_per_lane;
    key.part = transfer.part;
    key.slice = transfer.slice;
    key.stage = transfer.stage - program_.paths[program_.lanes[lane].paths].first;
    key.operand = transfer.operand * 2 + (transfer.reads ? 1 : 0);
  }
  if (kind == EventKind::turn) {
    const auto stage = index / program_.blocks_per_lane;
    lane = lane_of_stage_[stage];
    key.stage = stage - program_.paths[program_.lanes[lane].paths].first;
  }
  key.place = program_.places[lane].lane;
  key.image = program_.places[lane].image;
  return key;
}

void MomentOrder::sort(std::vector<EventQueue::Packed>& events) {
  if (events.size() < 2) return;
  keys_.clear();
  for (const auto event : events) keys_.push_back(key_of(event));
  std::sort(keys_.begin(), keys_.end());
  for (std::size_t i = 0; i < keys_.size(); ++i) events[i] = keys_[i].event;
}

}  // namespace p2plab
