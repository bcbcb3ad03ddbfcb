// SPDX-License-Identifier: Apache-2.0
// `auto`: the plan that is predicted fastest for this payload on this machine, of all planners and their variants.
#pragma once

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "p2plab/plan/candidates.h"
#include "plan/plan_book.h"

namespace p2plab {

/// From so many members on plans take long to make, so that it is worth knowing what they take at least.
inline constexpr std::size_t many_members = 64;

struct Candidacy : PlanCandidate {
  std::size_t place = 0;
  Seconds least{0};       // its plans take no less, in a row
  Seconds by_chain{0};    // nor by their chain of steps, if `chained`
  Seconds in_a_row{0};    // nor does any plan
  Seconds anyone{0};      // one call of any plan does not
  Seconds floor{0};       // nor by the profile
  bool is_short = false;  // its plans are
  bool chained = false;
  bool waited = false;  // for all others
  /// The least comes first.
  auto key() const { return std::tuple{std::max({least, by_chain, anyone}), !is_short, least}; }
};

struct WantedPlan {
  const Collective& collective;
  const Payload& payload;
  const PlanCall& call;
};

/// All candidates, each once: of small groups in their own order; of large ones those first whose plans are short, and last those that may be left
/// out without a plan. One that turns out to take long to weigh while nothing is found may wait until the others had their turns. What a planner's
/// chain of steps takes (Planner::chain), for which some search, is asked for only when it is a candidate's turn: who turns out to be slower by it
/// waits for others.
class Turns {
 public:
  Turns(const Evaluator& evaluator, const PlanBook& book, const Registry<Planner>& planners, const WantedPlan& wanted);

  bool empty() const { return next_ == all_.size() && !waiting_; }
  /// Plans that take longer than `hopeless` will not be made.
  Candidacy next(Seconds hopeless);
  /// May one wait, so that others are weighed first? Only one at a time: where all take long, none is worth waiting for.
  bool may_wait(const Candidacy& asked) const { return !waiting_ && !asked.waited && next_ < all_.size(); }
  void wait(Candidacy asked) {
    asked.waited = true;
    waiting_ = std::move(asked);
  }

 private:
  void count_chain(Candidacy& candidacy) const;

  const Evaluator& evaluator_;
  const PlanBook& book_;
  WantedPlan wanted_;
  std::vector<Candidacy> all_;
  std::size_t next_ = 0;
  std::optional<Candidacy> waiting_;
};

/// What `auto` may be told.
std::vector<ParameterInfo> selector_parameters();

/// Chooses among plans of the book. Optimal among its candidates as far as the prediction is; NCCL's tuner and vLLM's size tables choose among fewer,
/// by constants fitted on other machines. Candidates whose busiest link alone needs longer than the best so far are left out unpredicted,
/// and those that by a bound can be neither the best nor the runner-up (of large groups: not the best): unplanned, where their planner knows the
/// bound, or, in large groups, a chain of steps that takes too long by the profile. Of large groups nothing more is planned, either, once the best is
/// within 0.5 % of the collective's bound, plans of more than 8 million steps are left out, and those of more than 131,072 that are not folded, once
/// the best is within 25 % of what none takes less than by the profile.
class Selector {
 public:
  Selector(const Evaluator& evaluator, PlanBook& book, const Registry<Planner>& planners) : evaluator_(evaluator), book_(book), planners_(planners) {}

  /// Errors: invalid_input (contract, parameters), unsupported if no planner does it, with what each of them says; those of the model.
  Result<Evaluation> select(const Parameters& parameters, const Collective& collective, const Payload& payload, const PlanCall& call) const;

 private:
  struct Candidate;
  struct Weighed;
  bool beaten(KnownPlan& plan, Seconds best, const Payload& payload) const;
  bool late_by_slices(const Plan& plan, std::size_t steps, Seconds hopeless, const Payload& payload) const;
  Result<std::optional<Candidate>> weigh(const Candidacy& asked, Weighed& weighed, const Collective& collective, const Payload& payload,
                                         const PlanCall& call) const;
  static std::size_t most_steps_beside(const Weighed& weighed, Seconds anyone);
  static bool too_long(const Plan& plan, std::size_t steps, const Weighed& weighed, const Candidacy& asked);
  static bool is_new(const Plan& plan, std::size_t place, Weighed& weighed);
  static Seconds hopeless_from(const std::vector<Candidate>& found, std::size_t members);
  static void keep(std::vector<Candidate>& found, Candidate candidate);
  static Evaluation choose(std::vector<Candidate> found);

  const Evaluator& evaluator_;
  PlanBook& book_;
  const Registry<Planner>& planners_;
};

}  // namespace p2plab
