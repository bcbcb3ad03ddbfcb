// SPDX-License-Identifier: Apache-2.0
#include "p2plab/schedule/step_reader.h"

namespace p2plab {

Step StepReader::in_image(StepId id) {
  const auto [image, base] = schedule_.folding().origin(id);
  const auto step = schedule_.base_step(base);
  locations_.clear();
  routes_.clear();
  for (const auto& source : step.sources) locations_.push_back(schedule_.in_image(image, source));
  for (const auto& destination : step.destinations) locations_.push_back(schedule_.in_image(image, destination));
  for (const auto route : step.routes) routes_.push_back(schedule_.in_image(image, route));
  const std::span<const Location> locations{locations_};
  return {schedule_.in_image(image, step.executor), locations.first(step.sources.size()), locations.subspan(step.sources.size()), routes_};
}

}  // namespace p2plab
