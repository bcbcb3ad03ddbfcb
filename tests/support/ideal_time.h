// SPDX-License-Identifier: Apache-2.0
// Plans timed where links cost bandwidth and nothing else, beside the bound.
#pragma once

#include "p2plab/bounds/bounds.h"
#include "simulated.h"

namespace p2plab::test {

inline Topology without_latencies(const Topology& machine) {
  Topology::Builder builder(machine.name());
  for (const auto& node : machine.nodes()) builder.add_node(node);
  for (auto link : machine.links()) {
    link.latency = Seconds{0};
    builder.add_link(link);
  }
  for (const auto& group : machine.groups()) builder.add_group(group);
  return *std::move(builder).build();
}

/// What 1 GiB takes by `schedule` in the form `tuning`, over the least that any schedule can take, where links have no latency.
inline double time_over_bound(const Topology& machine, const Schedule& schedule, const Tuning& tuning, const Profile& profile = {}) {
  const auto bare = without_latencies(machine);
  const auto program = lowered(bare, schedule, 1024_MiB, tuning);
  const auto best = bound(bare, schedule.collective());
  expects(static_cast<bool>(best));
  return to_seconds(makespan(bare, program, profile)).count() / lower_bound(*best, program.payload).count();
}

}  // namespace p2plab::test
