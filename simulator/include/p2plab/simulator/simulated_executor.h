// The simulator as an executor: predictions come in the same form as measurements.
#pragma once

#include "p2plab/executor.h"
#include "p2plab/profile.h"
#include "p2plab/registry.h"

namespace p2plab::executors {

/// Always available. Gives one sample of Clock::simulated; it moves no data, so it gives no data check.
Entry<Executor> simulator(Profile profile = {});

}  // namespace p2plab::executors
