// SPDX-License-Identifier: Apache-2.0
// Ranks that are threads of one process: which those are, and that their GPUs reach each other's memory.
#pragma once

#include <cstdint>
#include <memory>

#include "p2plab/base/result.h"

namespace p2plab::cuda {

/// Tells processes apart, those of other containers, too.
struct ProcessName {
  std::uint64_t drawn = 0;
  std::int64_t pid = 0;
  friend bool operator==(const ProcessName&, const ProcessName&) = default;
};
ProcessName this_process();

/// From now on the current GPU may use memory that this process allocated, perhaps on another GPU, if the GPUs can reach each other at all. Errors:
/// device_failure.
Status reach_own_memory(std::uint64_t address);

/// Memory of this process of which its other ranks may have the address. Kept for as long as anybody has what `owner_of` gives.
void remember_owner(std::uint64_t address, const std::shared_ptr<void>& owner);
/// Null if nobody owns it any more, or it is the caller's.
std::shared_ptr<void> owner_of(std::uint64_t address);

}  // namespace p2plab::cuda
