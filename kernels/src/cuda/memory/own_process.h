// SPDX-License-Identifier: Apache-2.0
// Ranks that are threads of one process: which those are, and that their GPUs reach each other's memory.
#pragma once

#include <cstdint>

#include "p2plab/base/result.h"

namespace p2plab::cuda {

/// Tells processes apart, those of other containers, too.
struct ProcessName {
  std::uint64_t drawn = 0;
  std::int64_t pid = 0;
  friend bool operator==(const ProcessName&, const ProcessName&) = default;
};
ProcessName this_process();

/// From now on the current GPU may use memory that this process allocated, perhaps on another GPU. Errors: device_failure.
Status reach_own_memory(std::uint64_t address);

}  // namespace p2plab::cuda
