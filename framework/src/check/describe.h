// SPDX-License-Identifier: Apache-2.0
// Names of parts of a program in messages.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "p2plab/program/program.h"

namespace p2plab::checking {

/// "lane 3, instruction 2 (step 6, rank 0)"
inline std::string name_of(const Program& program, std::uint32_t instruction) {
  const auto after = std::ranges::find_if(program.lanes, [&](const Lane& lane) { return instruction - lane.first < lane.count; });
  const auto lane = after - program.lanes.begin();
  return fmt::format("lane {}, instruction {} (step {}, rank {})", lane, instruction - after->first, program.instructions[instruction].step.value,
                     after->rank.value);
}

/// "bytes 0 to 4096 of the scratch of rank 2"
inline std::string name_of_bytes(Rank rank, Buffer buffer, std::int64_t begin, std::int64_t end) {
  return fmt::format("bytes {} to {} of the {} of rank {}", begin, end, to_string(buffer), rank.value);
}

}  // namespace p2plab::checking
