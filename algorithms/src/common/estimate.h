// SPDX-License-Identifier: Apache-2.0
// What planners do with estimates: choose among their plans, suggest slices, and say what their plans take at least.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "p2plab/plan/estimate.h"
#include "p2plab/program/planner.h"

namespace p2plab {

/// Estimates nearer to each other, by shares of themselves, are one.
inline constexpr double alike_estimates = 1e-9;

/// The one of `plans` that is estimated fastest for this size; of those that are as good, the first. Errors: those of `plans`, handed on.
Result<Plan> least_estimated(const Topology& topology, Result<std::vector<Plan>> plans, Bytes size);

/// Suggests slices for a plan whose data passes through several ranks in a row: the size at which filling the pipeline costs as much as the
/// slices' latencies, sqrt(size * latency / (hops * time per byte)), at least 16 KiB. Leaves plans of one hop and empty payloads as they are.
void suggest_slices(Plan& plan, const Topology& topology, Bytes size);

/// What the first member sends to each other one: the whole payload, or so many pieces of as many as there are members.
struct SentToEach {
  bool whole = false;
  int pieces = 0;
};

/// The time of the busiest link of its ways to all others, which plans take at least in which members send to each other with none between. None
/// where members have shares of their own or are silent, or where a way is missing.
std::optional<Seconds> time_of_direct_sends(const Topology& topology, const Collective& collective, const Payload& payload, const SentToEach& sent);

/// Has every member of the group, two or more, data of its own or a part of the payload, so that no step of a plan is empty for all?
bool each_has_data(const Collective& collective, const Payload& payload);

/// What goes from each rank of `way` to the next; none where some two are joined by no route.
std::optional<StepChain> chain_along(const Topology& topology, std::span<const Rank> way);

/// What goes along each of `ways` (all_gather), back along it (reduce_scatter), or back and then along it (all_reduce), at least.
std::optional<StepChain> least_chain(const Topology& topology, CollectiveKind kind, std::span<const std::vector<Rank>> ways);

}  // namespace p2plab
