// SPDX-License-Identifier: Apache-2.0
// Machines whose rates lie far apart, brought near each other: what no plan can use of a wide link is cut off, so that doubles and 64-bit numbers
// are enough for what is left.
#pragma once

#include "p2plab/machine/topology.h"

namespace p2plab {

/// The widest link, group and node limit.
Bandwidth widest_rate(const Topology& topology);

/// The same machine, nodes, links and groups in the same order, in which no link, group or node limit is wider than `most` (above zero).
Topology narrowed(const Topology& topology, Bandwidth most);

/// The same for plans of trees or flows that carry at most `rate` (bytes per second) and cross each link at most `uses` times with all of it: what
/// is beyond that, four times over, is of no use to them. Machines whose rates lie near each other (that many times 1000) stay as they are.
Topology narrowed_for(const Topology& topology, double rate, double uses);

}  // namespace p2plab
