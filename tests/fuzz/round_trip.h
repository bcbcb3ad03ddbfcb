// What must hold of every topology that a parser lets through: it can be written, and reads back as the same.
#pragma once

#include "../support/same_topology.h"
#include "p2plab/topology_io.h"

namespace p2plab::testing {

inline void expect_round_trip(const Topology& topology) {
  const auto again = read_topology(write_topology(topology), "again.yaml");
  expects(again && same_topology(topology, *again));
}

}  // namespace p2plab::testing
