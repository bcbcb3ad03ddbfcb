// SPDX-License-Identifier: Apache-2.0
// The planner's interface: topology and collective in, plan out.
#pragma once

#include <chrono>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "p2plab/base/registry.h"
#include "p2plab/machine/topology.h"
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
  std::string reason = {};     // one sentence: what it does and why so
};

struct PlanContext;

/// Steps in a row, each of which sends another rank what it was sent by the one before; the first one sends its rank's own data.
struct StepChain {
  int steps = 0;
  Seconds latency{0};  // of the links that they take, one after another
};

/// Plans collectives. Pure: the same arguments give the same plan.
class Planner {
 public:
  virtual ~Planner() = default;
  /// Errors: unsupported (this collective, this machine: says why and what would be needed), invalid_input (contract, parameters).
  virtual Result<Plan> plan(const Topology& topology, const Collective& collective, const PlanContext& context) const = 0;
  /// The plans among which `plan` takes the one that is estimated fastest for the payload (p2plab/plan/estimate.h): one, where there is no choice.
  virtual Result<std::vector<Plan>> plans(const Topology& topology, const Collective& collective, const PlanContext& context) const;
  /// Do `plans` hang on the payload? Where they do not, they are made once for all sizes. Parameters are given in full.
  virtual bool reads_payload(const Collective& collective, const Parameters& parameters) const;
  /// Does the length of its plans grow with the members, not with their square? Such are asked for first in large groups. Parameters are given in
  /// full.
  virtual bool is_short(const Collective& collective, const Parameters& parameters) const;
  /// What one call of each plan of this planner takes at least on this machine; none where that is not known without planning, which costs much more.
  virtual std::optional<Seconds> least_time(const Topology& topology, const Collective& collective, const PlanContext& context) const;
  /// A chain that each plan of this planner has; what it takes is for the simulator to say (chain_floor.h). Where all ranks give and get, another one
  /// begins where it ends, and so on: they make a circle, and this is no more than their mean, so that calls in a row take no less, either. May cost
  /// much of planning itself; none where it is not known without.
  virtual std::optional<StepChain> chain(const Topology& topology, const Collective& collective, const PlanContext& context) const;
};

/// A plan for the same collective on the machine as it was before it lost something. GPUs and links are found again by the names of their nodes.
struct PreviousPlan {
  const Topology& topology;
  const Schedule& schedule;
};

/// What a planner may use beside topology and collective.
struct PlanContext {
  /// The payload the plan is for; planners with several variants choose by it.
  Payload payload = {};
  /// The plan must be right when input and output share memory.
  bool in_place = false;
  /// Values for the entry's parameters; those not given take their default.
  Parameters parameters = {};
  /// Best plan so far when it passes; empty means no limit.
  std::optional<Seconds> time_limit = std::nullopt;
  /// Once it answers true, the best plan so far is wanted at once. Asked often, and from any thread; empty: never.
  std::function<bool()> stop = {};
  /// Both as one question, the time from now on; empty if there is neither.
  std::function<bool()> ending() const {
    if (!time_limit) return stop;
    return
        [asked = stop, end = std::chrono::steady_clock::now() + *time_limit] { return std::chrono::steady_clock::now() > end || (asked && asked()); };
  }
  /// From so many members on a plan in which ranks do alike may be folded (folding.h): below, lists of all steps are short enough.
  std::size_t fold_from = 256;
  /// Sums must have the order of the members, so that no plan may be folded in which each has an order of its own.
  bool fixed_order = false;
  /// A plan of more steps would not be looked at: a planner that knows early that its plan has more may say so instead (unsupported).
  std::size_t most_steps = std::numeric_limits<std::size_t>::max();
  /// A plan to start from; null if there is none.
  const PreviousPlan* previous = nullptr;
};

inline Result<std::vector<Plan>> Planner::plans(const Topology& topology, const Collective& collective, const PlanContext& context) const {
  auto only = plan(topology, collective, context);
  if (!only) return std::move(only).error();
  std::vector<Plan> plans;
  plans.push_back(*std::move(only));
  return plans;
}

// On the safe side: a planner that does not say is asked for every payload.
inline bool Planner::reads_payload(const Collective&, const Parameters&) const { return true; }

inline bool Planner::is_short(const Collective&, const Parameters&) const { return false; }

inline std::optional<Seconds> Planner::least_time(const Topology&, const Collective&, const PlanContext&) const { return std::nullopt; }

inline std::optional<StepChain> Planner::chain(const Topology&, const Collective&, const PlanContext&) const { return std::nullopt; }

}  // namespace p2plab
