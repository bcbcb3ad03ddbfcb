// SPDX-License-Identifier: Apache-2.0
#include "check/describe.h"

#include <algorithm>

#include <fmt/format.h>

namespace p2plab::checking {

std::string name_of(const Program& program, std::uint32_t instruction) {
  const auto after = std::ranges::find_if(program.lanes, [&](const Lane& lane) { return instruction - lane.first < lane.count; });
  const auto lane = after - program.lanes.begin();
  return fmt::format("lane {}, instruction {} (step {}, rank {})", lane, instruction - after->first, program.instructions[instruction].step.value,
                     after->rank.value);
}

std::string name_of_bytes(Rank rank, Buffer buffer, std::int64_t begin, std::int64_t end) {
  return fmt::format("bytes {} to {} of the {} of rank {}", begin, end, to_string(buffer), rank.value);
}

}  // namespace p2plab::checking
