// SPDX-License-Identifier: Apache-2.0
#include "p2plab/experiment/planning.h"

#include <fmt/format.h>
#include <algorithm>

#include "p2plab/experiment/tuned.h"
#include "p2plab/machine/topology_io.h"
#include "p2plab/plan/builtin_planners.h"
#include "p2plab/program/plan_io.h"
#include "plan/plan_book.h"
#include "plan/selector.h"

namespace p2plab {

namespace {

constexpr const char* automatic = "auto";

// A plan that comes from a file, and what it was made for.
struct FilePlan {
  const Topology& topology;
  const Schedule& schedule;
  const char* what;    // "the tuned table"
  const char* advice;  // how to get another one
};

// What is wrong with it for this machine and collective.
Status check(const FilePlan& plan, const Topology& topology, const Collective& collective) {
  const auto& planned = plan.schedule.collective();
  const auto refuse = [&](const std::string& what) {
    return Error{ErrorCode::unsupported, fmt::format("{} is for {}", plan.what, what), std::nullopt, {plan.advice}};
  };
  if (planned.kind != collective.kind) return refuse(std::string{to_string(planned.kind)});
  if (!same_machine(plan.topology, topology)) {
    return refuse(fmt::format("another machine: {} with {} GPUs, fingerprint {}; this one is {} with {}, fingerprint {}", plan.topology.name(),
                              plan.topology.ranks(), plan.topology.fingerprint(), topology.name(), topology.ranks(), topology.fingerprint()));
  }
  if (planned.members != collective.members || planned.root != collective.root) return refuse("other ranks or another root");
  return {};
}

}  // namespace

std::string AlgorithmChoice::label() const {
  std::string text = name;
  for (const auto& [key, value] : parameters) text += fmt::format(" {}={}", key, value);
  return text;
}

std::vector<Algorithm> algorithms() {
  std::vector<Algorithm> all;
  const auto planners = builtin_planners();
  for (const auto& entry : planners.entries()) all.push_back({entry.name, entry.summary, entry.parameters});
  all.push_back({automatic, "whichever planner is predicted fastest for this payload on this machine", selector_parameters()});
  return all;
}

Status known_algorithm(const std::string& name) {
  std::vector<std::string> names;
  for (const auto& algorithm : algorithms()) names.push_back(algorithm.name);
  return std::ranges::find(names, name) == names.end() ? Status{unknown_name("algorithm", name, names)} : Status{};
}

struct Planning::State {
  explicit State(Evaluator judge) : evaluator(std::move(judge)) {}

  // The table's plan in the table's form; it was proved when it was read, and is proved here for this use.
  Result<Evaluation> from_table(const std::shared_ptr<const TunedTable>& table, const Collective& collective, const Payload& payload,
                                const PlanCall& call) {
    const auto& band = table->band(payload.size());
    const FilePlan plan_of_table{table->topology, band.plan.schedule, "the tuned table", "make one with `p2plab tune`"};
    if (auto fits = check(plan_of_table, evaluator.topology(), collective); !fits) return std::move(fits).error();
    auto plan = book.given(std::shared_ptr<const Plan>(table, &band.plan), call.options().in_place)->proved(evaluator, call.options().in_place);
    if (!plan) return std::move(plan).error();
    return evaluator.evaluate_as(*std::move(plan), payload, table->tuning(payload.size()));
  }

  // The file's plan at any size, in the form that all plans take.
  Result<Evaluation> from_file(const std::shared_ptr<const PlanFile>& file, const Collective& collective, const Payload& payload,
                               const PlanCall& call) {
    const FilePlan plan{file->topology, file->plan.schedule, "the plan file", "`p2plab plan --out` makes one"};
    if (auto fits = check(plan, evaluator.topology(), collective); !fits) return std::move(fits).error();
    return book.given(std::shared_ptr<const Plan>(file, &file->plan), call.options().in_place)->evaluate(evaluator, payload, call);
  }

  Evaluator evaluator;
  Registry<Planner> planners = builtin_planners();
  PlanBook book{evaluator};
};

Planning::Planning(const Evaluator& evaluator) : state_(std::make_shared<State>(evaluator)) {}

const Evaluator& Planning::evaluator() const& { return state_->evaluator; }

Result<Evaluation> Planning::plan(const AlgorithmChoice& choice, const Collective& collective, const Payload& payload,
                                  const PlanningOptions& options) const {
  const PlanCall call(options);
  auto& [evaluator, planners, book] = *state_;
  if (choice.tuned) return state_->from_table(choice.tuned, collective, payload, call);
  if (choice.file) return state_->from_file(choice.file, collective, payload, call);
  if (choice.name == automatic) return Selector(evaluator, book, planners).select(choice.parameters, collective, payload, call);
  const auto* entry = planners.find(choice.name);
  if (entry == nullptr) return known_algorithm(choice.name).error();
  auto plan = book.find(*entry, choice.parameters, collective, payload, call);
  if (!plan) return std::move(plan).error();
  return (*plan)->evaluate(evaluator, payload, call);
}

Result<Evaluation> plan_one(const Evaluator& evaluator, const AlgorithmChoice& choice, const Collective& collective, const Payload& payload,
                            const PlanningOptions& options) {
  return Planning(evaluator).plan(choice, collective, payload, options);
}

}  // namespace p2plab
