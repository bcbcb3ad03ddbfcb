// Plans timed where links cost bandwidth and nothing else, beside the bound.
#pragma once

#include "optima.h"
#include "p2plab/bounds.h"
#include "simulated.h"

namespace p2plab::testing {

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

struct IdealTime {
  double over_bound = 0;   // simulated time over the least that any schedule can take
  int trees = 0;
  int blocks = 0;          // thread blocks of the rank that has the most
};

/// A planner's proved plan of `machine`, in the form `tuning`, by the ideal profile and without latencies.
inline IdealTime ideal_time(const Topology& machine, const std::string& planner, CollectiveKind kind, Bytes size, const Tuning& tuning) {
  const auto plan = plan_on(machine, planner, kind);
  EXPECT_TRUE(plan) << describe(plan.error());
  const auto program = lowered(machine, plan->schedule, size, tuning);
  const auto best = bound(machine, make_collective(kind, machine.ranks()));
  EXPECT_TRUE(best) << describe(best.error());
  const auto least = lower_bound(*best, program.payload);
  return {to_seconds(makespan(machine, program)).count() / least.count(), static_cast<int>(plan->schedule.chunks().size()), program.blocks()};
}

}  // namespace p2plab::testing
