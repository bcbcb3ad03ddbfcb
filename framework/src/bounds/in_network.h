// SPDX-License-Identifier: Apache-2.0
// Which nodes multicast and reduce: checks, and the nodes as vertices.
#pragma once

#include <vector>

#include "p2plab/bounds/bounds.h"

namespace p2plab::bounds {

/// Errors: a GPU among the nodes.
Status check(const Topology& topology, const InNetwork& able);

/// The nodes as vertices, each once.
std::vector<int> vertices(const std::vector<NodeId>& nodes);

}  // namespace p2plab::bounds
