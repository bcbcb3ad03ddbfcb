// SPDX-License-Identifier: Apache-2.0
#include "segments/stages.h"

#include <algorithm>
#include <numeric>

#include "p2plab/schedule/dependencies.h"

namespace p2plab::segments {

namespace {

bool is_message(int time) { return time % 2 != 0; }

// The first time after all that a step waits for.
int after(std::span<const StepId> before, const std::vector<int>& times, bool message, StepId but) {
  int first = message ? 1 : 0;
  for (const auto step : before) {
    if (step == but) continue;
    const auto time = times[step.index()];
    first = std::max(first, message && is_message(time) ? time + 2 : time + (message == is_message(time) ? 0 : 1));
  }
  return first;
}

}  // namespace

StagedOrder order_by_stages(const Schedule& schedule, std::vector<StagedStep> steps, bool in_place) {
  const Dependencies dependencies(schedule, in_place);
  std::vector<int> times(steps.size());
  std::vector<StepId> memory;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const StepId id{static_cast<std::int64_t>(i)};
    const bool message = steps[i].role != Role::local;
    const StepId own_send{steps[i].role == Role::receive ? id.value - 1 : std::int64_t{-1}};
    times[i] = after(dependencies.of(id, memory), times, message, own_send);
    // Both ends issue it in one stage.
    if (steps[i].role == Role::receive) times[i] = times[i - 1] = std::max(times[i], times[i - 1]);
  }
  std::vector<std::size_t> order(steps.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return times[i]; });
  StagedOrder ordered;
  for (const auto i : order) {
    ordered.steps.push_back(std::move(steps[i]));
    ordered.times.push_back(times[i]);
  }
  return ordered;
}

}  // namespace p2plab::segments
