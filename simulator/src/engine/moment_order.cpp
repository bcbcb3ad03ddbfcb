// SPDX-License-Identifier: Apache-2.0
#include "engine/moment_order.h"

#include <algorithm>

#include "p2plab/base/result.h"

namespace p2plab {

MomentOrder::MomentOrder(const Compiled& program, const ArbitratedLinks& links)
    : program_(program), links_(links), lane_of_stage_(program.stages.size()), lanes_(program.lanes.size()) {
  for (std::size_t l = 0; l < program.lanes.size(); ++l) {
    const auto end = l + 1 < program.lanes.size() ? program.lanes[l + 1].paths : static_cast<std::uint32_t>(program.paths.size());
    lanes_[l] = {program.places[l].lane, program.places[l].image};
    expects(lanes_[l].image < std::uint32_t{1} << image_bits);
    if (program.lanes[l].paths < end) lanes_[l].first_stage = program.paths[program.lanes[l].paths].first;
    for (auto p = program.lanes[l].paths; p < end; ++p) {
      for (auto s = program.paths[p].first; s < program.paths[p].end; ++s) lane_of_stage_[s] = static_cast<std::uint32_t>(l);
    }
  }
}

MomentOrder::Key MomentOrder::key_of(EventQueue::Packed packed) const {
  const auto [kind, index] = EventQueue::unpack(packed);
  std::uint32_t lane = index / program_.blocks_per_lane;
  std::uint32_t part = index % program_.blocks_per_lane;
  std::uint64_t slice = 0;
  std::uint64_t stage = 0;
  std::uint64_t operand = 0;
  if (kind == EventKind::hop) {
    const auto& transfer = links_.transfer(index);
    lane = transfer.block / program_.blocks_per_lane;
    part = transfer.part;
    slice = transfer.slice;
    stage = transfer.stage - lanes_[lane].first_stage;
    operand = transfer.operand * 2 + (transfer.reads ? 1 : 0);
  }
  if (kind == EventKind::turn) {
    const auto at = index / program_.blocks_per_lane;
    lane = lane_of_stage_[at];
    stage = at - lanes_[lane].first_stage;
  }
  const auto block = std::uint64_t{lanes_[lane].place} * program_.blocks_per_lane + part;
  return {.first = block << (kind_bits + slice_bits) | static_cast<std::uint64_t>(kind) << slice_bits | slice,
          .then = stage << (operand_bits + image_bits) | operand << image_bits | lanes_[lane].image,
          .event = packed};
}

void MomentOrder::sort(std::vector<EventQueue::Packed>& events) {
  if (events.size() < 2) return;
  keys_.clear();
  for (const auto event : events) keys_.push_back(key_of(event));
  std::sort(keys_.begin(), keys_.end());
  for (std::size_t i = 0; i < keys_.size(); ++i) events[i] = keys_[i].event;
}

}  // namespace p2plab
