// SPDX-License-Identifier: Apache-2.0
// What the simulator says of a program: beside it stands a Measurement, what an executor says.
#pragma once

#include <optional>

#include "p2plab/base/units.h"

namespace p2plab {

/// Where a time lies if every number of the profile lies within its interval, and every assumed number of the machine between its ends.
struct Interval {
  Seconds low{0};
  Seconds high{0};
};

/// What a program is predicted to take.
struct Prediction {
  Seconds time{0};
  std::optional<Interval> interval = std::nullopt;  // holds `time`; none where it was not asked for, or nothing has a range
};

}  // namespace p2plab
