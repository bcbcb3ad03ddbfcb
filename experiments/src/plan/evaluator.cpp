// SPDX-License-Identifier: Apache-2.0
#include "p2plab/experiment/evaluator.h"

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <vector>

#include "p2plab/detail/digest.h"
#include "p2plab/detail/named.h"
#include "p2plab/machine/assumptions.h"
#include "p2plab/program/alike.h"
#include "p2plab/program/check.h"
#include "p2plab/run/gpu_tuning.h"
#include "p2plab/simulator/plays_folded.h"
#include "plan/best_tuning.h"

namespace p2plab {

namespace {

// What the numbers' ends leave out: of 640 calls of four plans and collectives on two H200s 90 % took what lay between them, 97 % this much more or
// less (experiments/measured).
constexpr double of_the_model = 0.05;

constexpr std::array forms_names{Named{"model", PlanForms::model}, Named{"gpu", PlanForms::gpu}, Named{"gpu_staged", PlanForms::gpu_staged}};

// Times of programs that were simulated before: several planners make the same ring of a switch, and auto chooses a plan that was timed already.
class KnownTimes {
 public:
  struct Known {
    Seconds time{0};
    Seconds busiest{0};
  };
  std::optional<Known> find(const Hash128& program) const {
    const std::lock_guard lock(mutex_);
    const auto found = times_.find(program);
    return found == times_.end() ? std::nullopt : std::optional(found->second);
  }
  void keep(const Hash128& program, const Known& known) {
    const std::lock_guard lock(mutex_);
    times_.emplace(program, known);
  }

 private:
  mutable std::mutex mutex_;
  std::map<Hash128, Known> times_;
};

// What was found of folded plans: many planners use the same links.
class KnownResources {
 public:
  template <class Find>
  std::shared_ptr<const FoldedResources> found_by(const Find& find) {
    auto found = find(FoundResources{all()});
    const std::lock_guard lock(mutex_);
    if (found && std::ranges::find(all_, found) == all_.end()) all_.push_back(found);
    return found;
  }

 private:
  std::vector<std::shared_ptr<const FoldedResources>> all() const {
    const std::lock_guard lock(mutex_);
    return all_;
  }

  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<const FoldedResources>> all_;
};

// Simulated times on one machine at the costs of one profile.
struct CostModel {
  Profile profile;
  Topology machine;
  KnownTimes known = {};
};

}  // namespace

std::string_view to_string(PlanForms forms) { return to_name<PlanForms>(forms, forms_names); }
Result<PlanForms> plan_forms(std::string_view name) { return from_name<PlanForms>("form of plans", name, forms_names); }
PlanForms usual_forms(const Profile& profile) { return profile.packet_item > Seconds{0} ? PlanForms::gpu : PlanForms::model; }

struct Evaluator::State {
  State(const Topology& topology, const Profile& profile, const EvaluatorOptions& how)
      : peer_access(topology), options(how), usual{profile, topology}, fast{fastest(profile), topology}, slow{slowest(profile), topology} {
    if (!options.forms) options.forms = usual_forms(profile);
    const auto ends = assumed_ends(topology);
    has_interval = !profile.numbers.empty() || ends.has_value();
    if (!ends) return;
    fast.machine = ends->fastest;
    slow.machine = ends->slowest;
  }

  PeerAccess peer_access;
  EvaluatorOptions options;
  CostModel usual;
  CostModel fast;  // the machine with what is assumed of it, and every number of the profile, at the fast end
  CostModel slow;
  bool has_interval = false;
  KnownResources found_resources;

  Result<ProgramTime> time_below(Seconds limit, CostModel& model, const Program& program, const Hash128& name,
                                 const std::shared_ptr<const FoldedResources>& resources = nullptr) const {
    if (const auto known = model.known.find(name))
      return ProgramTime{known->time <= limit ? std::optional(known->time) : std::nullopt, known->busiest};
    const auto useful = limit < to_seconds(SimTime::max()) ? to_sim_time(limit) : SimTime::max();
    auto result = p2plab::simulate(model.machine, program, model.profile,
                                   {.engine = options.engine, .useful = useful, .in_a_row = true, .resources = resources});
    if (!result) return std::move(result).error();
    const KnownTimes::Known known{to_seconds(result->period), to_seconds(result->busiest)};
    if (!result->played) return ProgramTime{std::nullopt, known.busiest};
    model.known.keep(name, known);
    return ProgramTime{known.time <= limit ? std::optional(known.time) : std::nullopt, known.busiest};
  }

  Result<Seconds> time(CostModel& model, const Program& program, const Hash128& name) const {
    auto result = time_below(never, model, program, name);
    if (!result) return std::move(result).error();
    return *result->time;
  }
};

Evaluator::Evaluator(const Topology& topology, const Profile& profile, const EvaluatorOptions& options)
    : state_(std::make_shared<State>(topology, profile, options)) {}

const Topology& Evaluator::topology() const& { return state_->usual.machine; }
const Profile& Evaluator::profile() const& { return state_->usual.profile; }
const EvaluatorOptions& Evaluator::options() const& { return state_->options; }
const PeerAccess& Evaluator::peer_access() const& { return state_->peer_access; }

Plan Evaluation::kept_plan() const {
  auto plan = *proved->plan;
  plan.tuning = program.tuning;
  plan.reason = reason();
  return plan;
}

Result<std::shared_ptr<const ProvedPlan>> Evaluator::prove(Plan plan, bool in_place) const {
  return prove(std::make_shared<const Plan>(std::move(plan)), in_place);
}

Result<std::shared_ptr<const ProvedPlan>> Evaluator::prove(std::shared_ptr<const Plan> plan, bool in_place) const {
  auto proof = verify(topology(), plan->schedule, {.in_place = in_place});
  if (!proof) return std::move(proof).error();
  const auto& schedule = plan->schedule;
  const bool may_fold = proof->images() != nullptr && options().engine == SimEngine::events && *options().forms == PlanForms::model &&
                        steps_as_copies(schedule) >= alike_from_steps;
  const auto find = [&](FoundResources known) { return folded_resources(topology(), schedule, *proof->images(), profile(), known); };
  auto resources = may_fold ? state_->found_resources.found_by(find) : nullptr;
  return std::shared_ptr<const ProvedPlan>(new ProvedPlan{std::move(plan), *std::move(proof), std::move(resources)});
}

Result<std::optional<Program>> Evaluator::lowered_folded(const ProvedPlan& plan, const Payload& payload, const Tuning& tuning) const {
  if (!plan.folds()) return std::optional<Program>{};
  auto folded = lower_folded(plan.plan->schedule, plan.proof, payload, tuning, peer_access());
  if (!folded || !*folded || !(*folded)->packets) return folded;
  const auto resources =
      state_->found_resources.found_by([&](FoundResources known) { return packet_resources(topology(), **folded, profile(), known); });
  plan.packets->keep(resources);
  return resources ? std::move(folded) : std::optional<Program>{};
}

Result<Program> Evaluator::lowered(const ProvedPlan& plan, const Payload& payload, const Tuning& tuning) const {
  auto folded = lowered_folded(plan, payload, tuning);
  if (!folded) return std::move(folded).error();
  if (*folded) return **std::move(folded);
  return lower(plan.plan->schedule, plan.proof, payload, tuning, peer_access());
}

Status Evaluator::check(const ProvedPlan& plan, const Program& program) const {
  auto proved = program.folded ? check_folded(topology(), plan.plan->schedule, plan.proof, program) : p2plab::check(topology(), program);
  if (!proved) return std::move(proved).error();
  return {};
}

Result<Evaluation> Evaluator::whole(Evaluation evaluation) const {
  if (!evaluation.program.folded) return evaluation;
  const auto& plan = *evaluation.proved;
  auto program = lower_checked(topology(), plan.plan->schedule, plan.proof, evaluation.program.payload, evaluation.program.tuning);
  if (!program) return std::move(program).error();
  evaluation.program = *std::move(program);
  return evaluation;
}

Result<Evaluation> Evaluator::as_asked(Evaluation evaluation) const {
  return options().folded ? Result{std::move(evaluation)} : whole(std::move(evaluation));
}

Result<Seconds> Evaluator::time(const Program& program) const { return state_->time(state_->usual, program, digest(program)); }

Result<Prediction> Evaluator::predict(const Program& program) const {
  const auto name = digest(program);
  const auto time = state_->time(state_->usual, program, name);
  if (!time) return time.error();
  if (!state_->has_interval) return Prediction{*time};
  const auto fast = state_->time(state_->fast, program, name);
  if (!fast) return fast.error();
  const auto slow = state_->time(state_->slow, program, name);
  if (!slow) return slow.error();
  const auto ends = std::minmax({*fast, *slow, *time});
  return Prediction{*time, Interval{ends.first * (1 - of_the_model), ends.second * (1 + of_the_model)}};
}

Result<ProgramTime> Evaluator::time_below(Seconds limit, const Program& program, const ProvedPlan* plan) const {
  return state_->time_below(limit, state_->usual, program, digest(program), plan != nullptr ? plan->resources_of(program) : nullptr);
}

Result<SimResult> Evaluator::simulate(const Program& program, const SimOptions& options) const {
  return p2plab::simulate(topology(), program, profile(), options);
}

std::optional<Tuning> Evaluator::given_tuning(const ProvedPlan& plan, const Payload& payload) const {
  switch (*options().forms) {
    case PlanForms::gpu: return gpu_tuning(plan.plan->schedule, plan.proof, payload);
    case PlanForms::gpu_staged: return staged_gpu_tuning(plan.plan->schedule, plan.proof, payload);
    case PlanForms::model: break;
  }
  // The search would take this form, too.
  return plan.steps() > most_searched_instructions ? std::optional(plan.plan->tuning) : std::nullopt;
}

Result<Evaluation> Evaluator::evaluate(std::shared_ptr<const ProvedPlan> plan, const Payload& payload, const std::function<bool()>& stop) const {
  if (const auto tuning = given_tuning(*plan, payload)) return evaluate_as(std::move(plan), payload, *tuning);
  auto best = best_tuning(*this, *plan, payload, {stop});
  if (!best) return std::move(best).error();
  if (auto proved = check(*plan, (*best)->program); !proved) return std::move(proved).error();
  return as_asked({std::move(plan), std::move((*best)->program), {(*best)->time}});
}

Result<std::optional<Evaluation>> Evaluator::evaluate_below(Seconds limit, std::shared_ptr<const ProvedPlan> plan, const Payload& payload,
                                                            const std::function<bool()>& stop) const {
  auto best = best_tuning(*this, *plan, payload, {stop, limit});
  if (!best) return std::move(best).error();
  if (!*best || (*best)->time > limit) return std::optional<Evaluation>{};
  return std::optional{Evaluation{std::move(plan), std::move((*best)->program), {(*best)->time}}};
}

Result<std::optional<Evaluation>> Evaluator::evaluate_below(Seconds limit, std::shared_ptr<const ProvedPlan> plan, const Payload& payload,
                                                            const Tuning& tuning) const {
  auto program = lowered(*plan, payload, tuning);
  if (!program) return std::move(program).error();
  const auto found = time_below(limit, *program, plan.get());
  if (!found) return found.error();
  if (!found->time) return std::optional<Evaluation>{};
  return std::optional{Evaluation{std::move(plan), *std::move(program), {*found->time}}};
}

Result<Evaluation> Evaluator::evaluate_as(std::shared_ptr<const ProvedPlan> plan, const Payload& payload, const Tuning& tuning) const {
  auto program = lowered(*plan, payload, tuning);
  if (!program) return std::move(program).error();
  if (auto proved = check(*plan, *program); !proved) return std::move(proved).error();
  auto time = this->time(*program);
  if (!time) return std::move(time).error();
  return as_asked({std::move(plan), *std::move(program), {*time}});
}

Payload payload_of(Bytes size, DataType type, ReduceOp op) { return {size.count() / size_of(type), type, op}; }

}  // namespace p2plab
