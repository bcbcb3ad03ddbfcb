// SPDX-License-Identifier: Apache-2.0
// The images of a folded schedule in a plan file.
#pragma once

#include "files/json_values.h"
#include "p2plab/schedule/schedule.h"

namespace p2plab {

/// All images but the first: one that does what two earlier ones do one after the other is written as the two, the others with all ranks.
Json images_json(const Schedule& schedule);

/// Who must have how many entries in an image.
struct ImageSize {
  int ranks = 0;
  std::size_t routes = 0;
};
/// All images, the first among them. A mistake is kept in the value's document.
std::vector<ScheduleImage> read_images(const JsonValue& value, const ImageSize& size);

}  // namespace p2plab
