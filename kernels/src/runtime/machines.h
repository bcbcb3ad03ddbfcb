// SPDX-License-Identifier: Apache-2.0
// Machines for plans, where all that matters is which way data goes.
#pragma once

#include <utility>
#include <vector>

#include "p2plab/segments/servers.h"
#include "runtime/device_calls.h"
#include "runtime/gpu_programs.h"

namespace p2plab::runtime {

/// GPUs that all reach each other's memory, by NVLink or otherwise.
Topology peer_machine(int ranks, bool nvlink);
/// GPUs that only reach the host's memory.
Topology host_machine(int ranks);

/// GPUs that all reach each other's memory but for these pairs, whose data goes through the host's.
Topology torn_machine(int ranks, const std::vector<std::pair<int, int>>& apart, bool nvlink);

/// Several servers behind a network, a NIC for each GPU; `inside`: how the GPUs of one server reach each other.
Topology network_machine(const Servers& servers, device::Reach inside);

}  // namespace p2plab::runtime
