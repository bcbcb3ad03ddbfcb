// SPDX-License-Identifier: Apache-2.0
// What a schedule costs, read off its steps: rounds, link loads, and the bandwidth they allow.
#pragma once

#include <string>
#include <vector>

#include "p2plab/machine/topology.h"
#include "p2plab/schedule/schedule.h"

namespace p2plab {

/// How often each link carries the payload: bytes over the link divided by the size of the whole payload (nccl-tests' size).
struct LinkLoads {
  std::vector<double> per_link;  // by LinkId
};

/// Loads of all remote reads and writes, along explicit routes or the topology's own.
LinkLoads link_loads(const Topology& topology, const Schedule& schedule);
/// No more than those: of a folded schedule only what begins or ends at one of its representatives (rank_images.h), of others all.
LinkLoads least_link_loads(const Topology& topology, const Schedule& schedule);

/// The resource that limits large messages, and what it allows.
struct Bottleneck {
  std::string name;             // Topology::name_of: "gpu0 -> sw0", "group root0", "egress of gpu3"
  double seconds_per_byte = 0;  // of payload; 0 if nothing is sent
  bool is_link = false;         // not a group, nor a node limit
  double algbw_gbps() const { return seconds_per_byte > 0 ? 1e-9 / seconds_per_byte : 0; }
};

/// The busiest link, group or node limit: payload bytes per second cannot exceed its share (latency ignored).
Bottleneck bottleneck(const Topology& topology, const LinkLoads& loads);

/// The longest chain of steps that wait for each other and move data between ranks (local steps count nothing).
int rounds(const Schedule& schedule);

}  // namespace p2plab
