// SPDX-License-Identifier: Apache-2.0
// What joins networks, as plans see it.
#pragma once

#include "p2plab/machine/topology.h"

namespace p2plab {

/// Is a server with host memory on several networks, of which none leads to the other? Hosts do not forward between them, but what one network writes
/// into a host's memory may be read over the other: bounds count that, our planners go through GPUs instead.
bool host_memory_joins_networks(const Topology& topology);

}  // namespace p2plab
