// SPDX-License-Identifier: Apache-2.0
#include "plan/plan_digest.h"

#include <utility>

namespace p2plab {

Hash128 digest_of(const Plan& plan) {
  const auto& schedule = plan.schedule;
  Digest digest;
  const auto& tuning = plan.tuning;
  for (const std::int64_t value : {std::int64_t{tuning.blocks_per_lane}, tuning.slice.count(), std::int64_t{tuning.slices},
                                   static_cast<std::int64_t>(tuning.protocol), std::int64_t{tuning.lane_per_step}})
    digest.add(value);
  for (const auto& chunk : schedule.chunks()) {
    for (const auto value : {std::int64_t{chunk.block}, std::int64_t{chunk.weight}, std::int64_t{chunk.channel}}) digest.add(value);
  }
  const auto add = [&](const Location& at) {
    for (const std::int64_t value :
         {static_cast<std::int64_t>(at.rank.value), static_cast<std::int64_t>(at.buffer), static_cast<std::int64_t>(at.slot)})
      digest.add(value);
  };
  for (std::size_t i = 0; i < schedule.base_step_count(); ++i) {
    const auto step = schedule.base_step(StepId{static_cast<std::int64_t>(i)});
    for (const auto value : {std::int64_t{step.executor.value}, std::ssize(step.sources), std::ssize(step.destinations), std::ssize(step.routes)})
      digest.add(value);
    for (const auto& at : step.sources) add(at);
    for (const auto& at : step.destinations) add(at);
    for (const auto route : step.routes) {
      digest.add(route == default_route ? -1 : std::ssize(schedule.route(route)));
      if (route == default_route) continue;
      for (const auto link : schedule.route(route)) digest.add(link.value);
    }
  }
  for (int i = 1; i < schedule.folding().images(); ++i) {
    for (int r = 0; r < schedule.ranks(); ++r) digest.add(std::int64_t{schedule.in_image(i, Rank{r}).value});
  }
  return digest.value();
}

}  // namespace p2plab
