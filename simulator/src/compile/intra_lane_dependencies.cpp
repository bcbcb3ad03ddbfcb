// SPDX-License-Identifier: Apache-2.0
#include "compile/intra_lane_dependencies.h"

#include <algorithm>

namespace p2plab {

namespace {

template <class Visit>
void each_operand(const Program& program, const Lane& lane, Visit visit) {
  for (std::uint32_t index = 0; index < lane.count; ++index) {
    const auto& i = program.instructions[lane.first + index];
    for (const auto& operand : program.sources(i)) visit(index, operand, true);
    for (const auto& operand : program.destinations(i)) visit(index, operand, false);
  }
}

std::uint32_t class_of(const Lane& lane, const Operand& operand) {
  return 1U << (static_cast<std::uint32_t>(operand.buffer) + (operand.rank == lane.rank ? 0U : 4U));
}

}  // namespace

IntraLaneDependencies::Place IntraLaneDependencies::place_of(const Operand& operand) {
  return {static_cast<std::uint64_t>(operand.rank.value) << 2 | static_cast<std::uint64_t>(operand.buffer), operand.offset};
}

void IntraLaneDependencies::find(const Lane& lane, std::vector<Work>& works) {
  std::uint32_t written = 0;
  std::uint32_t read = 0;
  each_operand(program_, lane, [&](std::uint32_t, const Operand& operand, bool reads) { (reads ? read : written) |= class_of(lane, operand); });
  if ((written & read) == 0) return;
  writers_.clear();
  each_operand(program_, lane, [&](std::uint32_t index, const Operand& operand, bool reads) {
    if ((class_of(lane, operand) & written & read) == 0) return;
    if (!reads) {
      writers_[place_of(operand)] = static_cast<std::int32_t>(index);
      return;
    }
    const auto found = writers_.find(place_of(operand));
    if (found != writers_.end()) works[index].own_dependency = std::max(works[index].own_dependency, found->second);
  });
}

}  // namespace p2plab
