// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "p2plab/detail/digest.h"
#include "p2plab/program/planner.h"

namespace p2plab {

/// Of all that decides how a plan is evaluated. A folded one must have no routes of its own.
Hash128 digest_of(const Plan& plan);

}  // namespace p2plab
