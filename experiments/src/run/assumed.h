// SPDX-License-Identifier: Apache-2.0
// What the rows of a run rest on that nobody told of the machine.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "p2plab/experiment/experiment.h"
#include "plan/collective_bound.h"
#include "run/planned_case.h"

namespace p2plab {

/// The limit of each collective were all that is assumed of the machine as fast as it can be; empty where no number has a range.
std::map<CollectiveKind, Limit> limits_at_fastest(const Experiment& experiment);

/// What is assumed of the machine, or known within a range only, where the data of a plan flows.
std::vector<SourcedValue> values_behind(const Evaluator& evaluator, const Schedule& schedule);

/// The same of all plans that were made, each once, in the machine's order.
std::vector<SourcedValue> values_behind(const Evaluator& evaluator, const std::vector<PlannedCase>& cases);

/// The same in a sentence, with the keys that answer it.
std::vector<std::string> assumed_sentences(std::span<const SourcedValue> values);

}  // namespace p2plab
