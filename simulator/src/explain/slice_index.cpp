// SPDX-License-Identifier: Apache-2.0
#include "explain/slice_index.h"

#include <algorithm>

namespace p2plab {

SliceIndex::SliceIndex(const Compiled& compiled, const Program& program, const Recording& recording)
    : compiled_(compiled), program_(program), recording_(recording), lane_of_(program.instructions.size()) {
  for (std::size_t l = 0; l < program.lanes.size(); ++l) {
    const auto& lane = program.lanes[l];
    std::fill_n(lane_of_.begin() + lane.first, lane.count, static_cast<std::uint32_t>(l));
  }
  const auto& slices = recording.slices;
  first_.assign(program.instructions.size() * compiled.blocks_per_lane, none);
  for (std::size_t s = 0; s < slices.size(); ++s) {
    auto& first = first_[std::size_t{slices[s].instruction} * compiled.blocks_per_lane + slices[s].block % compiled.blocks_per_lane];
    if (first == none) first = s;
  }
  first_hop_.assign(slices.size() + 1, 0);
  for (const auto& hop : recording.hops) ++first_hop_[static_cast<std::size_t>(hop.slice) + 1];
  for (std::size_t s = 0; s < slices.size(); ++s) first_hop_[s + 1] += first_hop_[s];
  hops_.resize(recording.hops.size());
  auto next = first_hop_;
  for (std::size_t h = 0; h < recording.hops.size(); ++h)
    hops_[next[static_cast<std::size_t>(recording.hops[h].slice)]++] = static_cast<std::uint32_t>(h);
}

std::size_t SliceIndex::of(std::uint32_t instruction, std::int64_t slice) const {
  const auto part = static_cast<std::size_t>(slice) % compiled_.blocks_per_lane;
  return first_[std::size_t{instruction} * compiled_.blocks_per_lane + part] + static_cast<std::size_t>(slice) / compiled_.blocks_per_lane;
}

const Path* SliceIndex::path(std::uint32_t instruction, std::uint32_t operand) const {
  const auto rank = program_.lanes[lane_of_[instruction]].rank;
  const auto remote = [&](std::uint32_t o) { return program_.operands[o].rank != rank || program_.operands[o].buffer == Buffer::host; };
  if (!remote(operand)) return nullptr;
  std::uint32_t ordinal = 0;
  for (auto o = program_.instructions[instruction].operands; o < operand; ++o) ordinal += remote(o) ? 1 : 0;
  return &compiled_.path(compiled_.lanes[lane_of_[instruction]], work(instruction).paths + ordinal);
}

}  // namespace p2plab
