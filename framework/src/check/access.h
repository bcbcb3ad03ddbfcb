// SPDX-License-Identifier: Apache-2.0
// Can every instruction reach what it touches on this machine?
#pragma once

#include "p2plab/machine/routes.h"
#include "p2plab/program/program.h"

namespace p2plab::checking {

/// Of a program whose form is right: what an instruction reads must have a path to its rank, what it writes one from it; explicit routes must join
/// the two. Error verification_failed names lane, instruction, step and ranks.
Status check_access(const Topology& topology, const Routes& routes, const Program& program);

}  // namespace p2plab::checking
