// SPDX-License-Identifier: Apache-2.0
// The plans of a run: each made once, proved once, whatever the payload; and the form that was found for each payload.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "p2plab/base/once.h"
#include "p2plab/experiment/evaluator.h"
#include "p2plab/experiment/planning.h"
#include "p2plab/plan/estimate.h"
#include "p2plab/schedule/analysis.h"

namespace p2plab {

/// One call for a plan: its options, and when its time is up.
class PlanCall {
 public:
  explicit PlanCall(const PlanningOptions& options);
  const PlanningOptions& options() const& { return options_; }
  const PlanningOptions& options() && = delete;
  /// Then no better form of a plan is looked for.
  bool late() const;
  bool stopped() const { return options_.stop && options_.stop(); }

 private:
  const PlanningOptions& options_;
  std::chrono::steady_clock::time_point start_;
};

/// A plan of the book.
class KnownPlan {
 public:
  explicit KnownPlan(std::shared_ptr<const Plan> plan) : plan_(std::move(plan)) {}

  const Plan& plan() const& { return *plan_; }
  const Plan& plan() && = delete;
  const PlanEstimate& estimate(const Evaluator& evaluator);
  /// The busiest link, group or port, without the latencies of all routes that an estimate looks at.
  const Bottleneck& busiest(const Evaluator& evaluator);
  /// Proved at the first call.
  Result<std::shared_ptr<const ProvedPlan>> proved(const Evaluator& evaluator, bool in_place);
  /// In the best form for the payload, which is looked for once.
  Result<Evaluation> evaluate(const Evaluator& evaluator, const Payload& payload, const PlanCall& call);
  /// The same; none where it takes longer than `limit`, which is often cheap to say.
  Result<std::optional<Evaluation>> evaluate_below(Seconds limit, const Evaluator& evaluator, const Payload& payload, const PlanCall& call);

 private:
  using Key = std::tuple<std::int64_t, DataType, ReduceOp>;
  std::optional<Tuning> known_tuning(const Key& key);

  std::shared_ptr<const Plan> plan_;
  Once estimating_;
  PlanEstimate estimate_;
  Once loading_;
  Bottleneck busiest_;
  Once proving_;
  std::optional<Result<std::shared_ptr<const ProvedPlan>>> proved_;
  std::mutex mutex_;
  std::map<Key, Tuning> tunings_;
};

class PlanBook {
 public:
  explicit PlanBook(const Evaluator& evaluator) : evaluator_(evaluator) {}

  /// What a planner plans. Errors: the planner's; unsupported, where one order of sums is asked for and the plan has another.
  Result<std::shared_ptr<KnownPlan>> find(const Entry<Planner>& planner, const Parameters& parameters, const Collective& collective,
                                          const Payload& payload, const PlanCall& call);
  /// What no plan that `find` finds takes less than; none where the planner does not say.
  std::optional<Seconds> least_time(const Entry<Planner>& planner, const Parameters& parameters, const Collective& collective, const Payload& payload,
                                    const PlanCall& call) const;
  /// The same of a chain of steps that each has (Planner::chain); it may take as long as planning.
  std::optional<StepChain> chain(const Entry<Planner>& planner, const Parameters& parameters, const Collective& collective, const Payload& payload,
                                 const PlanCall& call) const;
  /// As its planner says (planner.h).
  static bool is_short(const Entry<Planner>& planner, const Parameters& parameters, const Collective& collective);
  /// A plan that was made elsewhere.
  std::shared_ptr<KnownPlan> given(const std::shared_ptr<const Plan>& plan, bool in_place);

 private:
  Result<std::shared_ptr<KnownPlan>> any(const Entry<Planner>& planner, const Parameters& parameters, const Collective& collective,
                                         const Payload& payload, const PlanCall& call);

  // What is the same for all payloads.
  struct Page {
    Once planning;
    std::optional<Error> error = std::nullopt;
    std::vector<std::shared_ptr<KnownPlan>> plans = {};
    std::vector<PlanEstimate> estimates = {};  // where there are several
  };
  using Given = std::pair<std::shared_ptr<const Plan>, bool>;

  PlanContext context_of(const Parameters& complete, const Payload& payload, const PlanCall& call) const;
  void fill(Page& page, const Planner& planner, const Collective& collective, const PlanContext& context) const;
  std::shared_ptr<Page> page(const std::string& key);
  static Result<std::shared_ptr<KnownPlan>> best_of(const Page& page, const Payload& payload);

  const Evaluator& evaluator_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Page>> pages_;
  std::map<Given, std::shared_ptr<KnownPlan>> given_;
};

}  // namespace p2plab
