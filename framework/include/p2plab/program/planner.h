// SPDX-License-Identifier: Apache-2.0
// The planner's interface: topology and collective in, plan out.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "p2plab/base/registry.h"
#include "p2plab/machine/routes.h"
#include "p2plab/program/program.h"
#include "p2plab/schedule/payload.h"
#include "p2plab/schedule/schedule.h"

namespace p2plab {

/// A schedule and how to run it.
struct Plan {
  Schedule schedule;
  std::string planner;
  Parameters parameters = {};  // as used, defaults filled in
  Tuning tuning = {};          // the planner's suggestion; a tuner may choose otherwise
  std::string reason = {};     // one sentence: what it does and why this form
};

struct PlanContext;

/// Plans collectives. Pure: the same arguments give the same plan.
class Planner {
 public:
  virtual ~Planner() = default;
  /// Errors: unsupported (this collective, this machine: says why and what would be needed), invalid_input (contract, parameters).
  virtual Result<Plan> plan(const Topology& topology, const Collective& collective, const PlanContext& context) const = 0;
};

/// A plan for the same collective on the machine as it was before it lost something. GPUs and links are found again by the names of their nodes.
struct PreviousPlan {
  const Topology& topology;
  const Schedule& schedule;
};

/// What a planner may use beside topology and collective.
struct PlanContext {
  /// Routes of the topology; never null.
  const Routes* routes = nullptr;
  /// The payload the plan is for; planners of several forms choose by it.
  Payload payload = {};
  /// The plan must be right when input and output share memory.
  bool in_place = false;
  /// Values for the entry's parameters; those not given take their default.
  Parameters parameters = {};
  /// The predicted time of a plan for this payload; only `auto` needs it. Empty if no predictor is at hand.
  std::function<Result<Seconds>(const Plan&)> predict = {};
  /// The planners that `auto` chooses among; null otherwise.
  const Registry<Planner>* candidates = nullptr;
  /// Best plan so far when it passes; empty means no limit.
  std::optional<Seconds> time_limit = std::nullopt;
  /// Told of each candidate that `auto` weighed and its time, in the order of trying, and of those it left out with no time.
  std::function<void(const std::string& candidate, std::optional<Seconds> time)> considered = {};
  /// From so many members on a plan in which ranks do alike may be folded (folding.h): below, lists of all steps are short enough.
  std::size_t fold_from = 256;
  /// A plan to start from; null if there is none.
  const PreviousPlan* previous = nullptr;
};

}  // namespace p2plab
