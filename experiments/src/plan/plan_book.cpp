// SPDX-License-Identifier: Apache-2.0
#include "plan/plan_book.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "p2plab/schedule/order_of_sums.h"

namespace p2plab {

namespace {

constexpr std::size_t most_kept = std::size_t{64} << 20;  // bytes of a plan; a longer one costs more memory than making it again costs time

std::string numbers(const std::vector<Rank>& ranks) {
  std::string text;
  for (const auto rank : ranks) text += fmt::format("{},", rank.value);
  return text;
}

// All that a planner is told, but for the machine.
std::string key_of(const Entry<Planner>& planner, const Parameters& parameters, const Collective& collective, const Payload* payload, bool in_place) {
  auto key = fmt::format("{} {} root {} of {}", planner.name, to_string(collective.kind), collective.root.value, numbers(collective.members));
  for (const auto& [name, value] : parameters) key += fmt::format(" {}={}", name, value);
  if (!collective.silent.empty()) key += " silent " + numbers(collective.silent);
  if (!collective.shares.empty()) key += fmt::format(" shares {}", fmt::join(collective.shares, ","));
  for (const auto& [from, to] : collective.pairs) key += fmt::format(" {}>{}", from.value, to.value);
  if (payload != nullptr) key += fmt::format(" for {} {} {}", payload->elements, to_string(payload->type), to_string(payload->op));
  return key + (in_place ? " in place" : "");
}

}  // namespace

PlanCall::PlanCall(const PlanningOptions& options) : options_(options), start_(std::chrono::steady_clock::now()) {}

bool PlanCall::late() const { return (options_.time_limit && std::chrono::steady_clock::now() - start_ >= *options_.time_limit) || stopped(); }

const PlanEstimate& KnownPlan::estimate(const Evaluator& evaluator) {
  estimating_.run([&] { estimate_ = p2plab::estimate(evaluator.topology(), plan_->schedule); });
  return estimate_;
}

const Bottleneck& KnownPlan::busiest(const Evaluator& evaluator) {
  loading_.run([&] { busiest_ = bottleneck(evaluator.topology(), link_loads(evaluator.topology(), plan_->schedule)); });
  return busiest_;
}

Result<std::shared_ptr<const ProvedPlan>> KnownPlan::proved(const Evaluator& evaluator, bool in_place) {
  proving_.run([&] { proved_ = evaluator.prove(plan_, in_place); });
  return *proved_;
}

Result<Evaluation> KnownPlan::evaluate(const Evaluator& evaluator, const Payload& payload, const PlanCall& call) {
  auto plan = proved(evaluator, call.options().in_place);
  if (!plan) return std::move(plan).error();
  const Key key{payload.elements, payload.type, payload.op};
  const auto tuning = known_tuning(key);
  if (!tuning && call.late()) return evaluator.evaluate_as(*std::move(plan), payload, plan_->tuning);
  if (tuning) return evaluator.evaluate_as(*std::move(plan), payload, *tuning);
  auto evaluation = evaluator.evaluate(*std::move(plan), payload, [&] { return call.late(); });
  if (!evaluation || call.late()) return evaluation;
  const std::lock_guard lock(mutex_);
  tunings_.emplace(key, evaluation->program.tuning);
  return evaluation;
}

Result<std::optional<Evaluation>> KnownPlan::evaluate_below(Seconds limit, const Evaluator& evaluator, const Payload& payload, const PlanCall& call) {
  auto plan = proved(evaluator, call.options().in_place);
  if (!plan) return std::move(plan).error();
  const Key key{payload.elements, payload.type, payload.op};
  auto tuning = known_tuning(key);
  if (!tuning) tuning = call.late() ? plan_->tuning : evaluator.given_tuning(**plan, payload);
  if (tuning) return evaluator.evaluate_below(limit, *std::move(plan), payload, *tuning);
  auto evaluation = evaluator.evaluate_below(limit, *std::move(plan), payload, [&] { return call.late(); });
  if (evaluation && *evaluation && !call.late()) {
    const std::lock_guard lock(mutex_);
    tunings_.emplace(key, (*evaluation)->program.tuning);
  }
  return evaluation;
}

std::optional<Tuning> KnownPlan::known_tuning(const Key& key) {
  const std::lock_guard lock(mutex_);
  const auto known = tunings_.find(key);
  return known == tunings_.end() ? std::nullopt : std::optional(known->second);
}

Result<std::shared_ptr<KnownPlan>> PlanBook::find(const Entry<Planner>& entry, const Parameters& parameters, const Collective& collective,
                                                  const Payload& payload, const PlanCall& call) {
  auto found = any(entry, parameters, collective, payload, call);
  if (!found || !call.options().fixed_order) return found;
  const auto order = order_of_sums((*found)->plan().schedule, call.options().in_place);
  if (!order) return Error{order.error().code, fmt::format("{}: {}", entry.name, order.error().message), std::nullopt, order.error().notes};
  if (const auto wanted = members_in_order(collective); *order != wanted)
    return Error{ErrorCode::unsupported, fmt::format("{} adds in the order {}, not in that of the members, {}", entry.name, *order, wanted)};
  return found;
}

Result<std::shared_ptr<KnownPlan>> PlanBook::any(const Entry<Planner>& entry, const Parameters& parameters, const Collective& collective,
                                                 const Payload& payload, const PlanCall& call) {
  auto complete = complete_parameters(entry.name, entry.parameters, parameters);
  if (!complete) return std::move(complete).error();
  const auto& options = call.options();
  const auto planner = entry.make();
  const auto context = context_of(*complete, payload, call);
  // What was planned in haste, or from another plan, is not the planner's plan for all.
  if (options.time_limit || options.previous != nullptr) {
    Page page;
    fill(page, *planner, collective, context);
    return best_of(page, payload);
  }
  const bool reads = planner->reads_payload(collective, *complete);
  auto key = key_of(entry, *complete, collective, reads ? &payload : nullptr, options.in_place);
  if (options.most_steps < std::numeric_limits<std::size_t>::max()) key += fmt::format(" in {} steps", options.most_steps);
  if (options.fixed_order) key += " in order";
  const auto page = this->page(key);
  page->planning.run([&] { fill(*page, *planner, collective, context); });
  std::size_t memory = 0;
  for (const auto& plan : page->plans) memory += plan->plan().schedule.memory();
  if (memory > most_kept) {
    const std::lock_guard lock(mutex_);
    pages_.erase(key);
  }
  return best_of(*page, payload);
}

std::optional<Seconds> PlanBook::least_time(const Entry<Planner>& entry, const Parameters& parameters, const Collective& collective,
                                            const Payload& payload, const PlanCall& call) const {
  const auto complete = complete_parameters(entry.name, entry.parameters, parameters);
  if (!complete) return std::nullopt;
  return entry.make()->least_time(evaluator_.topology(), collective, context_of(*complete, payload, call));
}

std::optional<StepChain> PlanBook::chain(const Entry<Planner>& entry, const Parameters& parameters, const Collective& collective,
                                         const Payload& payload, const PlanCall& call) const {
  const auto complete = complete_parameters(entry.name, entry.parameters, parameters);
  if (!complete) return std::nullopt;
  return entry.make()->chain(evaluator_.topology(), collective, context_of(*complete, payload, call));
}

bool PlanBook::is_short(const Entry<Planner>& entry, const Parameters& parameters, const Collective& collective) {
  const auto complete = complete_parameters(entry.name, entry.parameters, parameters);
  return complete && entry.make()->is_short(collective, *complete);
}

std::shared_ptr<KnownPlan> PlanBook::given(const std::shared_ptr<const Plan>& plan, bool in_place) {
  const std::lock_guard lock(mutex_);
  auto& known = given_[{plan, in_place}];
  if (!known) known = std::make_shared<KnownPlan>(plan);
  return known;
}

PlanContext PlanBook::context_of(const Parameters& complete, const Payload& payload, const PlanCall& call) const {
  const auto& options = call.options();
  return {.payload = payload,
          .in_place = options.in_place,
          .parameters = complete,
          .time_limit = options.time_limit,
          .stop = options.stop,
          .fixed_order = options.fixed_order,
          .most_steps = options.most_steps,
          .previous = options.previous};
}

void PlanBook::fill(Page& page, const Planner& planner, const Collective& collective, const PlanContext& context) const {
  auto plans = planner.plans(evaluator_.topology(), collective, context);
  if (!plans) {
    page.error = std::move(plans).error();
    return;
  }
  for (auto& plan : *plans) page.plans.push_back(std::make_shared<KnownPlan>(std::make_shared<const Plan>(std::move(plan))));
  if (page.plans.size() < 2) return;
  for (const auto& plan : page.plans) page.estimates.push_back(plan->estimate(evaluator_));
}

std::shared_ptr<PlanBook::Page> PlanBook::page(const std::string& key) {
  const std::lock_guard lock(mutex_);
  auto& page = pages_[key];
  if (!page) page = std::make_shared<Page>();
  return page;
}

Result<std::shared_ptr<KnownPlan>> PlanBook::best_of(const Page& page, const Payload& payload) {
  if (page.error) return *page.error;
  return page.plans[least_estimated(page.estimates, payload.size())];
}

}  // namespace p2plab
