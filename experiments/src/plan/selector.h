// SPDX-License-Identifier: Apache-2.0
// `auto`: the plan that is predicted fastest for this payload on this machine, of all planners and their variants.
#pragma once

#include "p2plab/plan/candidates.h"
#include "plan/plan_book.h"

namespace p2plab {

/// What `auto` may be told.
std::vector<ParameterInfo> selector_parameters();

/// Chooses among plans of the book. Optimal among its candidates as far as the prediction is; NCCL's tuner and vLLM's size tables choose among fewer,
/// by constants fitted on other machines. Candidates whose busiest link alone needs longer than the best so far are left out unpredicted,
/// and those that by a bound can be neither the best nor the runner-up (of large groups: not the best): unplanned, where their planner knows the
/// bound. Of large groups nothing more is planned, either, once the best is within 0.5 % of the collective's bound, plans
/// of more than 8 million steps are left out, and those of more than 131,072 that are not folded, once the best is within 25 % of what none takes
/// less than by the profile.
class Selector {
 public:
  Selector(const Evaluator& evaluator, PlanBook& book, const Registry<Planner>& planners) : evaluator_(evaluator), book_(book), planners_(planners) {}

  /// Errors: invalid_input (contract, parameters), unsupported if no planner does it, with what each of them says; those of the model.
  Result<Evaluation> select(const Parameters& parameters, const Collective& collective, const Payload& payload, const PlanCall& call) const;

 private:
  struct Candidate;
  struct Asked;
  struct Weighed;
  std::vector<Asked> in_turn(const Collective& collective, const Payload& payload, const PlanCall& call) const;
  bool beaten(KnownPlan& plan, Seconds best, const Payload& payload) const;
  bool late_by_slices(const Plan& plan, std::size_t steps, Seconds hopeless, const Payload& payload) const;
  Result<std::optional<Candidate>> weigh(const Asked& asked, Weighed& weighed, const Collective& collective, const Payload& payload,
                                         const PlanCall& call) const;
  static std::size_t most_steps_beside(const Weighed& weighed, Seconds anyone);
  static bool is_new(const Plan& plan, std::size_t steps, Weighed& weighed, const Asked& asked);
  static Seconds hopeless_from(const std::vector<Candidate>& found, std::size_t members);
  static void keep(std::vector<Candidate>& found, Candidate candidate);
  static Evaluation choose(std::vector<Candidate> found);

  const Evaluator& evaluator_;
  PlanBook& book_;
  const Registry<Planner>& planners_;
};

}  // namespace p2plab
