// SPDX-License-Identifier: Apache-2.0
// Step plans as schedules.
#pragma once

#include <string>

#include "common/data_flow.h"
#include "latency/reduction_ip.h"

namespace p2plab {

/// Takes what a planner wants to say with its plan.
struct PlanWords {
  Parameters parameters = {};
  std::string reason = {};
};

/// What a collective asks for, as the model takes it: forwards for those that do not add, reversed for reduce and reduce_scatter; for
/// all_reduce the all-gather that it is made of.
StepTask task_of(const Collective& collective, std::span<const Block> blocks, int ranks);
/// Does the model run backwards for this kind?
bool runs_backwards(CollectiveKind kind);

/// The schedule of a step plan; `backwards` plans were made on the reversed model.
Result<Plan> emit(const Topology& topology, const Collective& collective, const StepPlan& plan, PlanWords words);

/// All-reduce as reduce-scatter and then all-gather: `scatter` was made on the reversed model, both for as many chunks.
Result<Plan> emit_both(const Topology& topology, const Collective& collective, const StepPlan& scatter, const StepPlan& gather, PlanWords words);

/// All-reduce where everyone gets everyone's chunks and adds them up.
Result<Plan> emit_gathered(const Topology& topology, const Collective& collective, const StepPlan& gather, PlanWords words);

/// All-reduce by in-flight reduction.
Result<Plan> emit_sum(const Topology& topology, const Collective& collective, const SumPlan& sum, PlanWords words);

}  // namespace p2plab
