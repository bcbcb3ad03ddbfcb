// SPDX-License-Identifier: Apache-2.0
// Is what every instruction touches there, and can it reach it on this machine?
#pragma once

#include "p2plab/machine/topology.h"
#include "p2plab/program/program.h"

namespace p2plab::checking {

/// Of a consistent program whose stated memory is right: what an instruction touches must lie inside that memory, what it reads must have a path to
/// its rank, what it writes one from it; explicit routes must join the two. Errors invalid_input (outside memory) and verification_failed (no path)
/// name lane, instruction, step, rank and bytes.
Status check_access(const Topology& topology, const Program& program);

}  // namespace p2plab::checking
