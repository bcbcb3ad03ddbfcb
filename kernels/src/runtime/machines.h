// SPDX-License-Identifier: Apache-2.0
// Machines for plans, where all that matters is which way data goes.
#pragma once

#include <memory>

#include "runtime/gpu_programs.h"

namespace p2plab::runtime {

/// GPUs that all reach each other's memory, by NVLink or otherwise.
std::shared_ptr<const Machine> peer_machine(int ranks, bool nvlink);
/// GPUs that only reach the host's memory.
std::shared_ptr<const Machine> host_machine(int ranks);

}  // namespace p2plab::runtime
