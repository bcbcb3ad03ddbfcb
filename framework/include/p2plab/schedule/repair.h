// SPDX-License-Identifier: Apache-2.0
// What is left of a collective when a machine has lost some of its GPUs.
#pragma once

#include "p2plab/machine/topology.h"
#include "p2plab/schedule/collective.h"

namespace p2plab {

/// `collective` on the machine `now`, whose GPUs have the names that they had on `before`; members that are gone are left out, with their shares and
/// pairs. Errors: a root that is gone, no member left.
Result<Collective> surviving(const Collective& collective, const Topology& before, const Topology& now);

}  // namespace p2plab
