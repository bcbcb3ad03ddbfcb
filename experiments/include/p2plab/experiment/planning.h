// SPDX-License-Identifier: Apache-2.0
// The front door: plan, prove, lower and predict in one call.
#pragma once

#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "p2plab/base/registry.h"
#include "p2plab/experiment/evaluator.h"

namespace p2plab {

struct PlanFile;
struct TunedTable;

/// How a plan is to be made: by a planner of `algorithms()` with values for its parameters; `auto`, the fastest of them all; `tuned`, by the table
/// of its `file`; or `plan`, the plan of its `file`.
struct AlgorithmChoice {
  std::string name;
  Parameters parameters = {};
  std::shared_ptr<const TunedTable> tuned = {};
  std::shared_ptr<const PlanFile> file = {};
  /// "ring", or "ring rings=1" where parameters are given; what reports call it.
  std::string label() const;
};

/// What an AlgorithmChoice may name, `tuned` and `plan` apart.
struct Algorithm {
  std::string name;
  std::string summary;  // one line for `p2plab list`
  std::vector<ParameterInfo> parameters = {};
};
/// The planners, in their order, and `auto`.
std::vector<Algorithm> algorithms();
/// Errors: unknown_name, with the nearest one.
Status known_algorithm(const std::string& name);

/// How one plan is made.
struct PlanningOptions {
  bool in_place = false;                             // input and output share memory
  std::optional<Seconds> time_limit = std::nullopt;  // then the best so far
  std::function<bool()> stop = {};                   // the same once it answers true; asked often, from any thread; empty: never
  bool fixed_order = false;                          // only plans that add all members in their order (order_of_sums.h)
  /// `auto` tells each candidate that it weighed and its time, in the order of trying, and those that it left out with no time.
  std::function<void(const std::string& candidate, std::optional<Seconds> time)> considered = {};
  const PreviousPlan* previous = nullptr;                                    // to start from; null if there is none
  std::size_t most_steps = std::numeric_limits<std::size_t>::max();          // plans of more would not be looked at
  std::function<void(const std::shared_ptr<const Evaluation>&)> found = {};  // told of each plan that is proved and predicted
};

/// Makes plans on one machine and remembers them: each distinct plan is made and proved once, and lowered for each payload. Members may be called
/// from several threads.
class Planning {
 public:
  /// Shares the evaluator's memory of times.
  explicit Planning(const Evaluator& evaluator);

  const Evaluator& evaluator() const&;
  const Evaluator& evaluator() && = delete;

  /// Plans, proves, lowers and predicts, without an interval (Evaluator::predict). `auto` weighs its candidates by the evaluator's model; `tuned`
  /// takes its table's plan for the size, `plan` its file's for all sizes. Errors: those of the planner; unknown names; a table for another machine
  /// or collective; verification_failed.
  Result<Evaluation> plan(const AlgorithmChoice& choice, const Collective& collective, const Payload& payload,
                          const PlanningOptions& options = {}) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// One plan, nothing remembered.
Result<Evaluation> plan_one(const Evaluator& evaluator, const AlgorithmChoice& choice, const Collective& collective, const Payload& payload,
                            const PlanningOptions& options = {});

}  // namespace p2plab
