// SPDX-License-Identifier: Apache-2.0
// One function per source of readings; each adds what it knows.
#pragma once

#include <set>
#include <string>

#include "p2plab/run/readings.h"

namespace p2plab::detect {

/// Bus ids of the GPUs, CUDA's and NVML's.
std::set<std::string> gpu_bus_ids(const MachineFacts& facts);

void add_device_readings(MachineFacts& facts, const std::string& root);
void add_limit_readings(MachineFacts& facts, const std::string& root);
void add_environment_readings(MachineFacts& facts, const ReadingSources& sources);
void add_nvml_readings(MachineFacts& facts, const ReadingSources& sources);

}  // namespace p2plab::detect
