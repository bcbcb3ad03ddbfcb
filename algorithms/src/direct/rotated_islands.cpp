// SPDX-License-Identifier: Apache-2.0
#include "direct/rotated_islands.h"

namespace p2plab {

std::optional<TurnedIslands> TurnedIslands::create(const Hierarchy& hierarchy, const Collective& collective, int ranks, int level) {
  const bool all = collective.members.size() == static_cast<std::size_t>(ranks);
  if (!all || !hierarchy.even() || !collective.silent.empty() || !collective.shares.empty()) return std::nullopt;
  TurnedIslands turned;
  turned.level_ = static_cast<std::size_t>(level);
  turned.images_.resize(hierarchy.width(level));
  for (std::size_t turn = 0; turn < turned.images_.size(); ++turn) {
    auto& to = turned.images_[turn].ranks;
    for (int r = 0; r < ranks; ++r) {
      auto digits = hierarchy.digits_of(Rank{r});
      auto& digit = digits[turned.level_];
      digit = (digit + turn) % turned.images_.size();
      to.push_back(hierarchy.stands_for(hierarchy.levels(), 0, digits));
    }
  }
  return turned;
}

}  // namespace p2plab
