// SPDX-License-Identifier: Apache-2.0
// The lowering of version 0.1.0, to see it found out: a write makes its location forget all that touched it before, as if it covered that.
#pragma once

#include "p2plab/program/program.h"
#include "p2plab/schedule/verify.h"

namespace p2plab::test {

/// Gives a program, lowered from a proved schedule, the waits that version 0.1.0 gave it (those that follow from others included).
void forget_what_is_covered(Program& program, const Schedule& schedule, const Proof& proof);

}  // namespace p2plab::test
