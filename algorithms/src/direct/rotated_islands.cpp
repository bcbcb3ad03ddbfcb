// SPDX-License-Identifier: Apache-2.0
#include "direct/rotated_islands.h"

namespace p2plab {

std::optional<RotatedIslands> RotatedIslands::create(const Hierarchy& hierarchy, const Collective& collective, int ranks, int level) {
  const bool all = collective.members.size() == static_cast<std::size_t>(ranks);
  if (!all || !hierarchy.even() || !collective.silent.empty() || !collective.shares.empty()) return std::nullopt;
  RotatedIslands rotated;
  rotated.level_ = static_cast<std::size_t>(level);
  rotated.images_.resize(hierarchy.width(level));
  for (std::size_t rotation = 0; rotation < rotated.images_.size(); ++rotation) {
    auto& to = rotated.images_[rotation].ranks;
    for (int r = 0; r < ranks; ++r) {
      auto digits = hierarchy.digits_of(Rank{r});
      auto& digit = digits[rotated.level_];
      digit = (digit + rotation) % rotated.images_.size();
      to.push_back(hierarchy.stands_for(hierarchy.levels(), 0, digits));
    }
  }
  return rotated;
}

}  // namespace p2plab
