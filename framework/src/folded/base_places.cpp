// SPDX-License-Identifier: Apache-2.0
#include "folded/base_places.h"

#include <algorithm>

namespace p2plab {

BasePlaces::BasePlaces(const Schedule& schedule, const Lowering& lowering, const Program& base) {
  const auto& images = *base.images;
  for (const auto& instruction : base.instructions) {
    const auto step = schedule.base_step(schedule.folding().origin(instruction.step).step);
    for (std::size_t o = 0; o < step.sources.size() + step.destinations.size(); ++o) {
      const auto& named = o < step.sources.size() ? step.sources[o] : step.destinations[o - step.sources.size()];
      const auto& here = base.operands[instruction.operands + o];
      const auto there = lowering.operand(schedule.in_image(images.back(here.rank), named), {}, o);
      const auto take = [&](Places& places, std::int64_t from, std::int64_t to) {
        const auto number = places.numbers.number({here.rank.value, here.buffer, from});
        if (number == places.places.size()) places.places.emplace_back();
        auto& place = places.places[number];
        place = {to, std::max(place.bytes, instruction.bytes)};
      };
      take(there_, here.offset, there.offset);
      take(back_, there.offset, here.offset);
    }
  }
}

}  // namespace p2plab
