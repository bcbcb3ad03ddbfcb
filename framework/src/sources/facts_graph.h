// SPDX-License-Identifier: Apache-2.0
// The graph of a machine that told facts of itself.
#pragma once

#include <vector>

#include "p2plab/machine/machine_facts.h"
#include "p2plab/machine/topology_import.h"
#include "sources/seen_gpus.h"

namespace p2plab {

/// Whether a source told how many PCIe lanes the device has; 16 are assumed where none did.
inline bool known_width(const PciFact& device) { return device.width > 0 && device.width <= 32; }

/// Ranks are `gpus` in their order. Errors: as of reading an NCCL topology.
Result<Imported> graph_of(const MachineFacts& facts, const std::vector<SeenGpu>& gpus, const MachineAnswers& answers);

}  // namespace p2plab
