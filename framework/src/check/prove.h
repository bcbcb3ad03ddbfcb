// SPDX-License-Identifier: Apache-2.0
// The heart of the checkers of programs and of packet programs.
#pragma once

#include <vector>

#include "p2plab/program/check.h"

namespace p2plab::checking {

/// Of a program whose indices and byte ranges lie inside what it states: that no instruction waits for itself, that accesses to the same bytes are
/// ordered, that only what is there is read and added, and that outputs end as the contract, whose blocks are given, wants them.
/// Error verification_failed, as for `check`.
Result<ProgramProof> prove_accesses(const Program& program, std::vector<Block> blocks);

}  // namespace p2plab::checking
