// SPDX-License-Identifier: Apache-2.0
#include "plan/selector.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "p2plab/bounds/bounds.h"
#include "p2plab/program/check.h"
#include "p2plab/schedule/analysis.h"
#include "p2plab/schedule/layout.h"
#include "p2plab/simulator/slices_floor.h"
#include "plan/best_tuning.h"
#include "plan/plan_digest.h"

namespace p2plab {

namespace {

// Pieces rounded to whole elements move at most this much load from one link to another where chunks are not tiny.
constexpr double uneven_rounding = 0.01;
constexpr double tiny_chunk = 4096;              // bytes: what each chunk's end is off by counts
constexpr double rounded_to = 16;                // bytes
constexpr std::size_t many_steps = 1 << 16;      // from here on it is worth asking whether a plan was weighed before
constexpr std::size_t most_steps = 8'000'000;    // of a plan in large groups: its program takes gigabytes
constexpr std::size_t most_listed = 32'000'000;  // of a plan in large groups, folded or not, where there is nothing else yet
constexpr double near_enough = 2.5;              // times the bound: from there on plans too long to be tuned are not looked at
constexpr std::size_t long_unfolded = 1 << 17;   // steps: lowering and simulating them takes seconds
constexpr std::size_t long_to_weigh = 1 << 15;   // steps of what is not folded: its plays take seconds where no limit is known
constexpr double near_the_floor = 1.25;          // from there on such plans are not looked at
constexpr double worth_a_plan = 0.005;           // of large groups: what the best so far must still be above the bound

Result<std::optional<Seconds>> time_limit(const Parameters& parameters, const PlanningOptions& options) {
  if (parameters.at("time_limit") == "none") return options.time_limit;
  auto seconds = integer_parameter(parameters, "time_limit", 0, 86400);
  if (!seconds) return std::move(seconds).error();
  return std::optional{Seconds{static_cast<double>(*seconds)}};
}

Error nobody_plans(CollectiveKind kind, const std::vector<std::string>& refusals) {
  Error error{ErrorCode::unsupported, fmt::format("auto does not do {}: none of the other planners does it on this machine", to_string(kind))};
  error.notes.emplace_back("take ranks that are joined, with --ranks");
  error.notes.insert(error.notes.end(), refusals.begin(), refusals.end());
  return error;
}

// The largest share of a chunk that it lacks because pieces are whole elements.
double most_rounded_off(const Schedule& schedule, const Payload& payload) {
  std::vector<double> weights(schedule.blocks().size());
  for (const auto& chunk : schedule.chunks()) weights[static_cast<std::size_t>(chunk.block)] += chunk.weight;
  const auto fractions = block_fractions(schedule.collective(), schedule.blocks());
  const auto extents = cut(schedule, payload);
  double most = 0;
  for (std::size_t c = 0; c < extents.size(); ++c) {
    const auto block = static_cast<std::size_t>(schedule.chunks()[c].block);
    const auto whole = static_cast<double>(payload.elements) * fractions[block] * schedule.chunks()[c].weight / weights[block];
    if (whole > 0) most = std::max(most, 1 - static_cast<double>(extents[c].count) / whole);
  }
  return most;
}

// Do the other candidates go on after this error of one?
bool leaves_others(ErrorCode code, bool found_any) {
  return code == ErrorCode::unsupported || code == ErrorCode::verification_failed || (code == ErrorCode::invalid_input && found_any);
}

// Why candidates came to nothing. A plan that does not hold, or cannot be written, is none; planners are tested one by one, so here the others go on.
struct Refusals {
  std::vector<std::string> all;
  std::vector<std::string> unproved;

  void add(const Candidacy& asked, const Error& error) {
    const bool failed = error.code == ErrorCode::verification_failed;
    if (asked.parameters.empty() || failed) all.push_back(error.message);
    if (failed) unproved.push_back(fmt::format("{} ({})", asked.name(), error.message));
  }
  std::string said(int untried) const {
    std::string text;
    if (!unproved.empty()) text += fmt::format("; left out, for its proof failed: {}", fmt::join(unproved, ", "));
    if (untried > 0) text += fmt::format("; {} candidates were left untried when the search ended", untried);
    return text;
  }
};

}  // namespace

struct Selector::Candidate {
  std::string name;  // "ring (rings=8)"
  Evaluation evaluation;
  std::size_t place = 0;  // among the candidates
  Seconds time() const { return evaluation.prediction.time; }
  std::pair<Seconds, std::size_t> rank() const { return {time(), place}; }  // the least is taken
};

struct Selector::Weighed {
  std::vector<Candidate> found;
  std::map<Hash128, std::size_t> plans;  // in large groups, and the place of their candidate
  std::size_t steps = 0;                 // of all plans whose programs were looked at
  bool may_wait = false;                 // may the candidate at hand?
  bool waits = false;                    // and does it?
};

std::vector<ParameterInfo> selector_parameters() {
  return {{"time_limit", "seconds after which no further candidate is tried, as in 10; none: all are", "none", "deadline"}};
}

Result<Evaluation> Selector::select(const Parameters& given, const Collective& collective, const Payload& payload, const PlanCall& call) const {
  auto parameters = complete_parameters("auto", selector_parameters(), given);
  if (!parameters) return std::move(parameters).error();
  const auto limit = time_limit(*parameters, call.options());
  if (!limit) return limit.error();
  if (auto ok = check(collective, evaluator_.topology().ranks()); !ok) return std::move(ok).error();
  const auto tell = [&](const std::string& name, std::optional<Seconds> time) {
    if (call.options().considered) call.options().considered(name, time);
  };
  const auto begin = std::chrono::steady_clock::now();
  Weighed weighed;
  auto& found = weighed.found;
  Refusals refusals;
  int untried = 0;
  Turns turns(evaluator_, book_, planners_, {collective, payload, call});
  while (!turns.empty()) {
    const Seconds passed = std::chrono::steady_clock::now() - begin;
    const bool over = !found.empty() && ((*limit && passed > **limit) || call.stopped());
    const auto asked = turns.next(over ? never : hopeless_from(found, collective.members.size()));
    if (over) {
      tell(asked.name(), std::nullopt);
      ++untried;
      continue;
    }
    auto mine = call.options();
    // A planner that searches as long as it may leaves half to the others.
    if (*limit) mine.time_limit = std::max(Seconds{0}, **limit - passed) / 2;
    if (collective.members.size() >= many_members) mine.most_steps = found.empty() ? most_listed : most_steps_beside(weighed, asked.anyone);
    weighed.may_wait = found.empty() && turns.may_wait(asked);
    auto candidate = weigh(asked, weighed, collective, payload, PlanCall(mine));
    if (std::exchange(weighed.waits, false)) {
      turns.wait(asked);
    } else if (candidate) {
      tell(asked.name(), *candidate ? std::optional{(*candidate)->time()} : std::nullopt);
      if (*candidate) keep(found, **std::move(candidate));
    } else if (leaves_others(candidate.error().code, !found.empty())) {
      refusals.add(asked, candidate.error());
    } else {
      return std::move(candidate).error();
    }
  }
  if (found.empty()) {
    const auto late = [&] { return (*limit && std::chrono::steady_clock::now() - begin > **limit) || call.stopped(); };
    if (auto reached = bound(evaluator_.topology(), collective, {}, late); !reached) return std::move(reached).error();
    return nobody_plans(collective.kind, refusals.all);
  }
  auto chosen = choose(std::move(found));
  chosen.choice += refusals.said(untried);
  return evaluator_.as_asked(std::move(chosen));
}

// The busiest link, group or port has to carry its share of the payload, whatever the tuning. In large groups a plan must leave something to gain.
bool Selector::beaten(KnownPlan& plan, Seconds best, const Payload& payload) const {
  const auto& schedule = plan.plan().schedule;
  const bool large = schedule.collective().members.size() >= many_members;
  const auto bytes = payload.size().count();
  const auto chunk = static_cast<double>(bytes) / static_cast<double>(std::max<std::size_t>(1, schedule.chunks().size()));
  const double rounding = large ? most_rounded_off(schedule, payload) : uneven_rounding + (chunk < tiny_chunk ? 2 * rounded_to / chunk : 0);
  if (rounding >= 1) return false;
  const auto& profile = evaluator_.profile();
  // Of large groups' plans it is known that none goes by copy engines.
  const bool by_blocks = large && evaluator_.options().forms == PlanForms::model && plan.plan().tuning.protocol != Protocol::copy;
  const auto of_links = by_blocks ? profile.link_efficiency : std::clamp(profile.link_efficiency, profile.copy_efficiency, 1.0);
  const auto takes_longer = [&](const Bottleneck& busiest) {
    const auto efficiency = busiest.is_link ? of_links : 1.0;
    return static_cast<double>(bytes) * busiest.seconds_per_byte * (1 - rounding) / efficiency > best.count() * (large ? 1 - worth_a_plan : 1);
  };
  const auto& topology = evaluator_.topology();
  // What a few ranks alone load says enough of most.
  if (schedule.folding().folded() && takes_longer(bottleneck(topology, least_link_loads(topology, schedule)))) return true;
  return takes_longer(plan.busiest(evaluator_));
}

// What takes longer can be neither the best nor the runner-up: plans of two planners are faster. Of large groups only the best is looked for.
Seconds Selector::hopeless_from(const std::vector<Candidate>& found, std::size_t members) {
  const auto best = std::ranges::min_element(found, {}, &Candidate::time);
  if (best == found.end()) return never;
  if (members >= many_members) return best->time();
  auto second = never;
  for (const auto& other : found) {
    if (other.evaluation.plan().planner != best->evaluation.plan().planner) second = std::min(second, other.time());
  }
  return second;
}

// What is too long is taken where there is nothing else, what is long where nothing is near the bound, and not much of it: so the search ends.
std::size_t Selector::most_steps_beside(const Weighed& weighed, Seconds anyone) {
  const auto best = std::ranges::min_element(weighed.found, {}, &Candidate::time);
  if (best != weighed.found.end() && best->time() <= near_enough * anyone) return most_searched_instructions;
  return std::max(most_searched_instructions, most_steps - std::min(most_steps, 2 * weighed.steps));
}

bool Selector::too_long(const Plan& plan, std::size_t steps, const Weighed& weighed, const Candidacy& asked) {
  const auto best = std::ranges::min_element(weighed.found, {}, &Candidate::time);
  if (best == weighed.found.end()) return false;
  const bool long_list = !plan.schedule.folding().folded() && steps > long_unfolded;
  return steps > most_steps_beside(weighed, asked.anyone) || (long_list && best->time() <= near_the_floor * asked.floor);
}

// Variants of a planner, and several planners, come to the same plan. Of equals the first in place is named; one that has waited comes again.
bool Selector::is_new(const Plan& plan, std::size_t place, Weighed& weighed) {
  const auto& schedule = plan.schedule;
  const bool worth_asking = schedule.folding().folded() ? schedule.route_count() == 0 : schedule.step_count() >= many_steps;
  if (!worth_asking) return true;
  const auto [known, added] = weighed.plans.emplace(digest_of(plan), place);
  return added || std::exchange(known->second, std::min(known->second, place)) >= place;
}

// What is too large for a search runs as its planner suggests: where that is by slices, the chain of its steps says how late it is at best.
bool Selector::late_by_slices(const Plan& plan, std::size_t steps, Seconds hopeless, const Payload& payload) const {
  const auto& schedule = plan.schedule;
  const bool as_suggested = steps > most_searched_instructions && evaluator_.options().forms == PlanForms::model;
  if (!as_suggested || plan.tuning.protocol != Protocol::simple) return false;
  // By packets where a GPU does not reach another one.
  for (int a = 0; a < schedule.ranks(); ++a) {
    for (int b = 0; b < schedule.ranks(); ++b) {
      if (a != b && !evaluator_.peer_access().connected(Rank{a}, Rank{b})) return false;
    }
  }
  return slices_floor(evaluator_.topology(), schedule, payload, evaluator_.profile()) > hopeless;
}

// None if the candidate is left out.
Result<std::optional<Selector::Candidate>> Selector::weigh(const Candidacy& asked, Weighed& weighed, const Collective& collective,
                                                           const Payload& payload, const PlanCall& call) const {
  const auto& found = weighed.found;
  const auto hopeless = hopeless_from(found, collective.members.size());
  if (std::max(asked.least, asked.by_chain) > hopeless || asked.in_a_row > hopeless * (1 - worth_a_plan)) return std::optional<Candidate>{};
  auto plan = book_.find(*asked.planner, asked.parameters, collective, payload, call);
  if (!plan) return std::move(plan).error();
  const auto best = std::ranges::min_element(found, {}, &Candidate::rank);
  if (best != found.end() && beaten(**plan, best->time(), payload)) return std::optional<Candidate>{};
  const auto& planned = (*plan)->plan();
  const bool large = collective.members.size() >= many_members;
  if (large && !is_new(planned, asked.place, weighed)) return std::optional<Candidate>{};
  auto steps = planned.schedule.step_count();
  bool folds = false;
  if (large && planned.schedule.folding().folded()) {
    const auto proved = (*plan)->proved(evaluator_, call.options().in_place);
    if (!proved) return proved.error();
    steps = (*proved)->steps();
    folds = (*proved)->folds();
  }
  weighed.waits = large && weighed.may_wait && !folds && steps > long_to_weigh;
  if (weighed.waits || (large && (too_long(planned, steps, weighed, asked) || late_by_slices(planned, steps, hopeless, payload))))
    return std::optional<Candidate>{};
  weighed.steps += steps;
  auto evaluation = (*plan)->evaluate_below(hopeless, evaluator_, payload, call);
  if (!evaluation) return std::move(evaluation).error();
  if (!*evaluation) return std::optional<Candidate>{};
  // What may be taken is proved at once: if it does not hold, the others go on.
  if (best == found.end() || std::pair{(*evaluation)->prediction.time, asked.place} < best->rank()) {
    if (auto proved = evaluator_.check(*(*evaluation)->proved, (*evaluation)->program); !proved) return std::move(proved).error();
  }
  if (call.options().found) call.options().found(std::make_shared<const Evaluation>(**evaluation));
  return std::optional{Candidate{asked.name(), **std::move(evaluation), asked.place}};
}

// Of all but the best only the time is asked for, so their programs go.
void Selector::keep(std::vector<Candidate>& found, Candidate candidate) {
  const auto best = std::ranges::min_element(found, {}, &Candidate::rank);
  if (best != found.end()) (candidate.rank() < best->rank() ? best->evaluation : candidate.evaluation).program = {};
  found.push_back(std::move(candidate));
}

// The least time; the earlier candidate among equals. The runner-up is the best plan of another planner.
Evaluation Selector::choose(std::vector<Candidate> found) {
  std::ranges::sort(found, {}, [](const Candidate& c) { return c.rank(); });
  auto& best = found.front();
  const auto next = std::ranges::find_if(found, [&](const Candidate& c) { return c.evaluation.plan().planner != best.evaluation.plan().planner; });
  auto reason = fmt::format("{}, predicted {:.2f} us", best.name, microseconds(best.time()));
  if (next != found.end()) {
    const double more = best.time().count() > 0 ? (next->time() / best.time() - 1) * 100 : 0;
    reason += fmt::format("; next {}, {:.2f} us ({:.1f} % more)", next->name, microseconds(next->time()), more);
  }
  best.evaluation.choice = std::move(reason);
  return std::move(best.evaluation);
}

}  // namespace p2plab
