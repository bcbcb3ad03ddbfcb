// SPDX-License-Identifier: Apache-2.0
#include "p2plab/schedule/folding.h"

#include <algorithm>

#include "p2plab/schedule/step_reader.h"

namespace p2plab {

Folding::Origin Folding::origin_of(StepId id) const {
  // Numbers of steps fit 32 bits (the builder sees to it), and this is asked often.
  const auto step = static_cast<std::uint32_t>(id.value);
  const auto images = static_cast<std::uint32_t>(images_);
  const auto phase = std::upper_bound(phase_ends_.begin(), phase_ends_.end(), step / images);
  const std::uint32_t begin = phase == phase_ends_.begin() ? 0 : *(phase - 1);
  const auto within = step - begin * images;
  const auto size = *phase - begin;
  const auto image = within / size;
  return {static_cast<int>(image), StepId{static_cast<std::int64_t>(begin + within - image * size)}};
}

StepId Folding::id_of(int image, StepId base) const {
  if (images_ == 1) return base;
  const auto step = static_cast<std::uint32_t>(base.value);
  const auto phase = std::upper_bound(phase_ends_.begin(), phase_ends_.end(), step);
  const std::int64_t begin = phase == phase_ends_.begin() ? 0 : *(phase - 1);
  return StepId{begin * images_ + (*phase - begin) * image + (base.value - begin)};
}

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
