// SPDX-License-Identifier: Apache-2.0
#include "plan/planning.h"

#include <chrono>
#include <map>
#include <mutex>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"
#include "p2plab/experiment/tuned.h"
#include "p2plab/plan/builtin_planners.h"
#include "p2plab/program/plan_io.h"
#include "plan/parallel.h"

namespace p2plab {

namespace {

// The tuning and time of plans that were judged before; `auto` meets most of its candidates again.
class Memory {
 public:
  struct Known {
    Tuning tuning;
    Seconds predicted{0};
  };
  // What makes two plans the same: planners are pure.
  static std::string key(const Plan& plan, const Collective& collective, const Payload& payload) {
    auto text = fmt::format("{} {} {}", to_string(collective.kind), payload.elements, plan.planner);
    for (const auto& [name, value] : plan.parameters) text += fmt::format(" {}={}", name, value);
    return text;
  }
  void keep(const std::string& key, const Evaluation& evaluation) {
    const std::lock_guard lock(mutex_);
    known_[key] = {evaluation.program.tuning, evaluation.predicted};
  }
  std::optional<Known> find(const std::string& key) const {
    const std::lock_guard lock(mutex_);
    const auto found = known_.find(key);
    return found == known_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Known> known_;
};

class Planning {
 public:
  Planning(const Setting& setting, PlanningOptions options, Memory& memory)
      : setting_(setting), options_(std::move(options)), memory_(memory), planners_(builtin_planners()) {}

  Result<Evaluation> operator()(const AlgorithmChoice& choice, const Collective& collective, const Payload& payload) const {
    if (choice.tuned) return from_table(choice, collective, payload);
    auto entry = planners_.get("algorithm", choice.name);
    if (!entry) return std::move(entry).error();
    const auto predict = [&](const Plan& plan) -> Result<Seconds> {
      if (const auto known = memory_.find(Memory::key(plan, collective, payload))) return known->predicted;
      auto judged = judge(plan, collective, payload);
      if (!judged) return std::move(judged).error();
      return judged->predicted;
    };
    const PlanContext context{.routes = &setting_.routes,
                              .payload = payload,
                              .in_place = options_.in_place,
                              .parameters = choice.parameters,
                              .predict = predict,
                              .candidates = &planners_,
                              .time_limit = options_.time_limit,
                              .considered = options_.considered,
                              .previous = options_.previous};
    auto plan = (*entry)->make()->plan(setting_.topology, collective, context);
    if (!plan) return std::move(plan).error();
    return judge(*std::move(plan), collective, payload);
  }

 private:
  // The table's plan in the table's form; it was proved when it was read, and is proved here for this use.
  Result<Evaluation> from_table(const AlgorithmChoice& choice, const Collective& collective, const Payload& payload) const {
    const auto& band = choice.tuned->band(payload.size());
    const auto& planned = band.plan.schedule.collective();
    const auto refuse = [](std::string what) {
      return Error{ErrorCode::unsupported, "the tuned table is for " + std::move(what), std::nullopt, {"make one with `p2plab tune`"}};
    };
    if (planned.kind != collective.kind) return refuse(std::string{to_string(planned.kind)});
    if (fingerprint(choice.tuned->topology) != fingerprint(setting_.topology)) return refuse("another machine, " + choice.tuned->topology.name());
    if (planned.members != collective.members || planned.root != collective.root) return refuse("other ranks or another root");
    return evaluate_as(setting_, band.plan, payload, options_.in_place, choice.tuned->tuning(payload.size()));
  }

  Result<Evaluation> judge(Plan plan, const Collective& collective, const Payload& payload) const {
    const auto key = Memory::key(plan, collective, payload);
    if (const auto known = memory_.find(key))
      return evaluate_as(setting_, std::move(plan), payload, options_.in_place, known->tuning, known->predicted);
    if (late()) {
      const auto tuning = plan.tuning;
      return evaluate_as(setting_, std::move(plan), payload, options_.in_place, tuning);
    }
    auto evaluation = evaluate(setting_, std::move(plan), payload, options_.in_place, [this] { return late(); });
    if (evaluation) memory_.keep(key, *evaluation);
    return evaluation;
  }

  // Then no better way to run a plan is looked for.
  bool late() const { return options_.time_limit && std::chrono::steady_clock::now() - start_ >= *options_.time_limit; }

  const Setting& setting_;
  PlanningOptions options_;
  Memory& memory_;
  Registry<Planner> planners_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

Result<Evaluation> plan_one(const Setting& setting, const AlgorithmChoice& choice, const Collective& collective, const Payload& payload,
                            const PlanningOptions& options) {
  Memory memory;
  return Planning(setting, options, memory)(choice, collective, payload);
}

std::vector<Outcome> plan_all(const Experiment& experiment, const Setting& setting, Progress& progress, const std::function<bool()>& stop) {
  std::vector<Outcome> outcomes;
  for (const auto kind : experiment.collectives) {
    for (const auto size : experiment.sizes) {
      for (const auto& choice : experiment.algorithms) outcomes.push_back({kind, &choice, size});
    }
  }
  progress.stage("plan, prove, predict", static_cast<std::int64_t>(outcomes.size()));
  Memory memory;
  const Planning planning(setting, {.in_place = experiment.measure.in_place}, memory);
  std::mutex speaking;
  const auto stopped = [&] {
    const std::lock_guard lock(speaking);
    return stop && stop();
  };
  const auto work_on = [&](Outcome& outcome) {
    if (stopped()) {
      outcome.error = Error{ErrorCode::interrupted, "the run was interrupted before this was planned"};
      return;
    }
    const auto collective = make_collective(outcome.kind, setting.topology.ranks(), experiment.root);
    auto evaluation = planning(*outcome.choice, collective, payload_of(outcome.size, experiment.dtype, experiment.op));
    if (evaluation) {
      if (setting.interval) {
        if (auto interval = setting.interval(evaluation->program)) evaluation->interval = *interval;
      }
      outcome.evaluation = *std::move(evaluation);
    } else {
      outcome.error = std::move(evaluation).error();
    }
    const std::lock_guard lock(speaking);
    progress.advance(fmt::format("{} {} {}", to_string(outcome.kind), outcome.choice->label(), to_string(outcome.size)));
  };
  // `auto` comes last: it then finds its candidates judged. Large sizes come first: they take longest.
  for (const bool automatic : {false, true}) {
    std::vector<Outcome*> now;
    for (auto& outcome : outcomes) {
      if ((outcome.choice->name == "auto") == automatic) now.push_back(&outcome);
    }
    for_each_index(now.size(), [&](std::size_t i) { work_on(*now[now.size() - 1 - i]); });
  }
  return outcomes;
}

}  // namespace p2plab
