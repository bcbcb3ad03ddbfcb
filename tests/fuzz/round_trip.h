// SPDX-License-Identifier: Apache-2.0
// What must hold of every topology that a parser lets through: it can be written, and reads back as the same.
#pragma once

#include "p2plab/machine/topology_io.h"
#include "support/same_topology.h"

namespace p2plab::test {

inline void expect_round_trip(const Topology& topology) {
  const auto again = read_topology(write_topology(topology), "again.yaml");
  expects(again && same_topology(topology, *again));
}

}  // namespace p2plab::test
