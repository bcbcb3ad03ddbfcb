// SPDX-License-Identifier: Apache-2.0
// Explicit routes against the way that a peer access takes.
#pragma once

#include "p2plab/base/result.h"
#include "p2plab/machine/topology.h"
#include "p2plab/program/program.h"

namespace p2plab {

/// A load or store to a peer goes where the hardware takes it, whatever a plan says. Errors: unsupported, if the program names a route for a transfer
/// that passes other nodes than `routes` does; names the first such route and how many there are.
Status follows_hardware(const Program& program, const Topology& topology);

}  // namespace p2plab
