// SPDX-License-Identifier: Apache-2.0
// In which stage each step runs.
#pragma once

#include <vector>

#include "p2plab/base/result.h"
#include "segments/staging.h"

namespace p2plab::segments {

/// Steps in the order of their stages. `times[i]`: twice the stage, and one more for a message.
struct StagedOrder {
  std::vector<StagedStep> steps;
  std::vector<int> times;
};

/// The first stage that each step can run in: a local step after the messages of the stage before, a message after the local steps of its own stage
/// and the messages of those before. List order stays within a stage. `schedule` is that of `steps`.
StagedOrder order_by_stages(const Schedule& schedule, std::vector<StagedStep> steps, bool in_place);

}  // namespace p2plab::segments
