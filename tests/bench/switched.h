// SPDX-License-Identifier: Apache-2.0
// The machine of the simulator's benchmarks: GPUs on one switch.
#pragma once

#include <string>
#include <vector>

#include "p2plab/machine/topology.h"
#include "p2plab/simulator/pattern.h"

namespace p2plab::bench {

inline constexpr double gbps = 400;
inline constexpr Seconds latency{9e-7};  // of each of a path's two links

inline Topology switched(int gpus) {
  Topology::Builder builder("switched");
  const auto fabric = builder.add_node({.name = "switch", .kind = NodeKind::nvswitch});
  for (int i = 0; i < gpus; ++i)
    builder.add_duplex(builder.add_node({.name = "gpu" + std::to_string(i)}), fabric, LinkKind::nvlink, GBps(gbps), latency);
  return *std::move(builder).build();
}

inline std::vector<LinkId> over_switch(Rank from, Rank to) { return {LinkId{2 * from.value}, LinkId{2 * to.value + 1}}; }

}  // namespace p2plab::bench
