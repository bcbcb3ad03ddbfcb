// SPDX-License-Identifier: Apache-2.0
// The planners that p2plab brings; a copy: add your own and pass it on.
#pragma once

#include "p2plab/program/planner.h"

namespace p2plab {

/// All built-in planners, in the order of `p2plab list algorithms`.
Registry<Planner> builtin_planners();

}  // namespace p2plab
