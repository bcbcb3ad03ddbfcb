// SPDX-License-Identifier: Apache-2.0
// The simulator as an executor: predictions come as measurements do.
#pragma once

#include "p2plab/base/registry.h"
#include "p2plab/program/executor.h"
#include "p2plab/simulator/profile.h"

namespace p2plab::executors {

/// Always available. Gives one sample of Clock::simulated; it moves no data, so it gives no data check.
Entry<Executor> simulator(Profile profile = {});

}  // namespace p2plab::executors
