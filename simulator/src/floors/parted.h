// SPDX-License-Identifier: Apache-2.0
// What must enter the parts of a partition of the machine, and when it can be there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "p2plab/machine/topology.h"
#include "p2plab/schedule/collective.h"

namespace p2plab {

/// Parts with GPUs, joined by links that are no wider than those inside.
struct Parts {
  int count = 0;
  int fewest = 0;         // GPUs of a part
  double capacity = 0;    // bytes per second into all of them
  double near = 0;        // seconds: the least delay between GPUs of different parts
  double before = 0;      // the same: from a GPU to a link that leads into another part than its own
  double after = 0;       // the same: from the beginning of such a link to a GPU
  std::vector<int> of;    // by node
  std::vector<int> rank;  // by rank
};

/// Cut at every width of links that leaves two parts or more; the narrowest comes first.
std::vector<Parts> partitions(const Topology& topology);

/// By rank: its part where the machine is cut at its narrowest links that leave two parts or more; empty if no two ranks share one.
std::vector<int> coarsest_parts(const Topology& topology);

/// What holds of every hop of a kind of program, in seconds.
struct HopTimes {
  double begin = 0;      // the first data can be on a link into a part
  double end = 0;        // before the end of the call, the last one must have left it
  double gather = 0;     // after `begin`, what passes may hold data of two GPUs
  double spread = 0;     // before `end`, what passes may still serve two GPUs
  double relay_in = 0;   // after `begin`, it may hold data of two parts
  double relay_out = 0;  // before `end`, it may still serve two parts
  double rate = 1;       // of a link's bandwidth that is data
};

/// The least time in which `bytes` of payload pass; zero for collectives of which nothing is known.
double parted_floor(const Parts& parts, CollectiveKind kind, double bytes, const HopTimes& hops);

}  // namespace p2plab
