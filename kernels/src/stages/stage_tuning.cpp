// SPDX-License-Identifier: Apache-2.0
#include "stages/stage_tuning.h"

#include <algorithm>

namespace p2plab::stages {

Tuning stage_tuning(const Tuning& tuning, const Servers& servers, Bytes payload) {
  const bool alone = std::ranges::all_of(servers.ranks, [](const auto& ranks) { return ranks.size() == 1; });
  if (!alone || in_slices(tuning.protocol)) return tuning;
  constexpr std::int64_t slice = std::int64_t{16} << 10;
  constexpr std::int64_t most_blocks = 32;
  return {.blocks_per_lane = static_cast<int>(std::clamp<std::int64_t>(payload.count() / slice, 1, most_blocks)), .slice = Bytes{slice}};
}

}  // namespace p2plab::stages
