// SPDX-License-Identifier: Apache-2.0
// What several commands say of a machine: what is odd about it, and which GPUs a placement takes.
#pragma once

#include <string>
#include <vector>

#include "p2plab/bounds/place.h"
#include "p2plab/machine/topology.h"

namespace p2plab::cli {

/// What is odd, a line each: what it costs in bus bandwidth of an all-reduce, and which command says more. Empty if nothing is.
std::vector<std::string> oddity_lines(const Topology& topology);

/// The numbers of a placement's GPUs in the order of ranks: those in their names where all have one (gpu5 is 5), else their ranks.
std::vector<int> gpu_numbers(const Topology& topology, const Placement& placement);

}  // namespace p2plab::cli
