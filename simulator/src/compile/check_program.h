// SPDX-License-Identifier: Apache-2.0
// Is a program, or a pattern, consistent in itself and made for this machine?
#pragma once

#include "p2plab/machine/topology.h"
#include "p2plab/program/program.h"
#include "p2plab/simulator/pattern.h"
#include "p2plab/simulator/profile.h"

namespace p2plab {

/// `check_consistency` and what a simulation takes. Errors: invalid_input that names the lane, instruction or route; unsupported for more bytes in
/// all than sums can hold.
Status check_program(const Topology& topology, const Program& program);
/// Does nothing set ranks apart that do the same: when they start, quirks of PCIe, models of switches? What loads lose where the other direction of a
/// link is used is for `ResourceImages::directions_agree` to say.
bool treats_alike(const Topology& topology, const Profile& profile);
/// The same for a pattern, and: extents that make up the ranks, lanes of rank 0 only, no explicit routes, no host memory.
Status check_pattern(const Topology& topology, const Pattern& pattern);

}  // namespace p2plab
