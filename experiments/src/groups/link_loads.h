// SPDX-License-Identifier: Apache-2.0
// How much a program sends over each link.
#pragma once

#include <vector>

#include "p2plab/machine/topology.h"
#include "p2plab/program/program.h"

namespace p2plab {

/// Bytes of data, by link of `topology`, whose links the program's routes name.
std::vector<double> link_loads(const Topology& topology, const Program& program);

}  // namespace p2plab
