// SPDX-License-Identifier: Apache-2.0
// The machine of a config: a preset, a file of one of the known formats, or nodes and links on the spot; less its mask.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "p2plab/detail/config_value.h"
#include "p2plab/machine/topology.h"

namespace p2plab {

struct Machine {
  Topology topology;
  std::vector<std::string> masked = {};          // what was taken away, in words
  std::vector<std::string> warnings = {};        // what the description left open
  std::optional<Topology> whole = std::nullopt;  // before anything was taken away, if something was
};

/// The machine that this program runs on; what its sources leave open or contradict each other in goes to `warnings`. Errors: no_device.
Result<Topology> detect_topology(std::vector<std::string>* warnings);

/// Reads what stands under the keys `topology` and `mask`; paths are relative to `folder`. None if there were mistakes, which are noted in the file.
std::optional<Machine> read_machine(const ConfigValue& topology, const ConfigValue& mask, const std::string& folder);

/// Reads what stands under `topology`, such as {preset: hgx-h200}. None where it is absent, or after a mistake, which is noted in the file.
std::optional<Machine> read_topology_key(const ConfigValue& value, const std::string& folder);

}  // namespace p2plab
