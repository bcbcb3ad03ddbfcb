// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iterator>

#include "p2plab/simulator/chain_floor.h"
#include "p2plab/simulator/collective_floor.h"
#include "plan/best_tuning.h"
#include "plan/collective_bound.h"
#include "plan/selector.h"

namespace p2plab {

namespace {

constexpr double rounding_of_latencies = 1e-6;  // in the model, at most

// Ranks with links; a job's machine has none of others' GPUs.
int joined_ranks(const Topology& topology) {
  int joined = 0;
  for (int r = 0; r < topology.ranks(); ++r) joined += topology.out_links(topology.node_of(Rank{r})).empty() ? 0 : 1;
  return joined;
}

}  // namespace

Turns::Turns(const Evaluator& evaluator, const PlanBook& book, const Registry<Planner>& planners, const WantedPlan& wanted)
    : evaluator_(evaluator), book_(book), wanted_(wanted) {
  const auto& [collective, payload, call] = wanted;
  for (auto& candidate : plan_candidates(planners, collective.members.size())) all_.push_back({std::move(candidate), all_.size()});
  if (collective.members.size() < many_members) return;
  const auto anyone = bound(evaluator.topology(), collective);
  const auto floors = anyone ? collective_floors(evaluator.topology(), collective, *anyone, payload, evaluator.profile()) : std::vector<KindFloor>{};
  const auto ranks = std::max(joined_ranks(evaluator.topology()), static_cast<int>(collective.members.size()));
  for (auto& one : all_) {
    const auto least = book.least_time(*one.planner, one.parameters, collective, payload, call);
    if (least) one.least = *least * (1 - rounding_of_latencies);
    one.is_short = PlanBook::is_short(*one.planner, one.parameters, collective);
    if (const auto* floor = least_floor(floors)) one.floor = floor->time;
    if (!anyone) continue;
    one.anyone = lower_bound(*anyone, payload);
    one.in_a_row = least_in_a_row(*anyone, collective, ranks, payload);
    // What planners know is of one call.
    if (one.in_a_row < one.anyone) one.least = std::min(one.least, one.in_a_row);
  }
  std::ranges::stable_sort(all_, {}, &Candidacy::key);
}

Candidacy Turns::next(Seconds hopeless) {
  if (next_ == all_.size()) return *std::exchange(waiting_, std::nullopt);
  const auto first = std::next(all_.begin(), static_cast<std::ptrdiff_t>(next_++));
  const bool asks = wanted_.collective.members.size() >= many_members && hopeless < never;
  while (asks && !first->chained && first->least <= hopeless) {
    count_chain(*first);
    std::rotate(first, first + 1, std::ranges::upper_bound(first + 1, all_.end(), first->key(), {}, &Candidacy::key));
  }
  return *first;
}

void Turns::count_chain(Candidacy& candidacy) const {
  const auto& [collective, payload, call] = wanted_;
  candidacy.chained = true;
  const auto chain = book_.chain(*candidacy.planner, candidacy.parameters, collective, payload, call);
  if (!chain) return;
  candidacy.by_chain = chain_floor(*chain, evaluator_.topology(), collective.kind, payload, evaluator_.profile());
  if (candidacy.in_a_row < candidacy.anyone) candidacy.by_chain = std::min(candidacy.by_chain, candidacy.in_a_row);
}

}  // namespace p2plab
