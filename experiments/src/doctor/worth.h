// SPDX-License-Identifier: Apache-2.0
// What a machine is worth with and without what was found: the bound of all-reduce on the machine as it would then be.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "p2plab/machine/machine_facts.h"

namespace p2plab::doctor {

/// What makes other facts of a machine's facts.
using Change = std::function<void(MachineFacts&)>;

/// The most bus bandwidth of all-reduce over all its GPUs, in GB/s; 0 where some cannot reach each other. Errors: those of build_machine.
Result<double> most_busbw(const MachineFacts& facts);

/// Every bridge that is above several GPUs.
std::set<std::string> shared_bridges(const MachineFacts& facts);

}  // namespace p2plab::doctor
