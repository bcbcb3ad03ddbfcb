// SPDX-License-Identifier: Apache-2.0
// What the last recorded steps of each rank say in a sentence: how much of a call its blocks waited, and where longest.
#pragma once

#include <string>
#include <vector>

#include "p2plab/run/monitor.h"

namespace p2plab::monitor {

/// One for each rank of `process`, which was read with steps, that has any.
std::vector<std::string> step_waits(const RecordedProcess& process);

}  // namespace p2plab::monitor
