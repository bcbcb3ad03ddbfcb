// All-reduce in two steps: what comes in is added before it goes on, so a chunk crosses each link at most once a step, whatever ranks it is from.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "latency_search.h"

namespace p2plab {

/// An all-reduce in which sums travel: for each chunk of the payload, who sends to whom in which step.
struct SumPlan {
  std::vector<int> rounds;  // by step
  std::vector<std::vector<StepHop>> chunks;
};

/// Looks for `chunks` chunks in two steps of `rounds` rounds together, among `members` without relays, such that from each member to each other one
/// a way of at most two steps leads. Then every member can put the whole sum together, for a sender knows the parts of what it got. By branch and
/// bound of at most `effort.nodes` nodes, first for plans that `symmetry` keeps. None if none was found.
std::optional<SumPlan> two_step_sum(const StepModel& model, std::span<const Rank> members, std::span<const Renumbering> symmetry, int chunks,
                                    int rounds, const StepEffort& effort);

}  // namespace p2plab
