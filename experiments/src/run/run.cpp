// SPDX-License-Identifier: Apache-2.0
#include "p2plab/experiment/run.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"
#include "p2plab/experiment/cost_context.h"
#include "p2plab/plan/builtin_planners.h"
#include "p2plab/report/provenance.h"
#include "p2plab/run/gpu_tuning.h"
#include "plan/collective_bound.h"
#include "plan/planning.h"
#include "run/executors.h"
#include "run/findings.h"
#include "run/nccl_rows.h"
#include "run/traces.h"

namespace p2plab {

namespace {

// "two_shot mode=direct": the planner, with the parameters that differ from its defaults.
std::string form_of(const Plan& plan) {
  auto form = AlgorithmChoice{plan.planner, plan.parameters};
  const auto planners = builtin_planners();
  if (const auto* entry = planners.find(plan.planner)) {
    for (const auto& known : entry->parameters) {
      const auto given = form.parameters.find(known.name);
      if (given != form.parameters.end() && given->second == known.fallback) form.parameters.erase(given);
    }
  }
  return form.label();
}

// What all rows of a run share.
struct Context {
  const Experiment& experiment;
  const Setting& setting;
  std::map<CollectiveKind, Limit> limits = {};
  std::function<bool()> stop = {};
};

// The limit of each collective; where none is known, the reason is said and its rows have none.
std::map<CollectiveKind, Limit> limits_of(const Experiment& experiment, Progress& progress) {
  std::map<CollectiveKind, Limit> limits;
  progress.stage("lower bounds", static_cast<std::int64_t>(experiment.collectives.size()));
  for (const auto kind : experiment.collectives) {
    auto limit = limit_of(experiment.topology, make_collective(kind, experiment.topology.ranks(), experiment.root));
    progress.advance(to_string(kind));
    if (!limit.missing.empty()) progress.note(fmt::format("no lower bound for {}: {}", to_string(kind), limit.missing));
    limits.emplace(kind, std::move(limit));
  }
  return limits;
}

Row row_of(const Outcome& outcome, const Context& context, const std::string& executor) {
  const auto& evaluation = *outcome.evaluation;
  const auto& plan = evaluation.plan;
  Row row;
  row.collective = outcome.kind;
  row.algorithm = outcome.choice->label();
  row.executor = executor;
  row.ranks = static_cast<int>(plan.schedule.collective().members.size());
  row.dtype = to_string(context.experiment.dtype);
  row.size = evaluation.program.payload.size();
  // NCCL runs a schedule of its own, which these figures are not a prediction of.
  if (!executor.starts_with("nccl")) row.predicted = evaluation.predicted;
  if (row.predicted && evaluation.interval) {
    row.predicted_low = std::min(evaluation.interval->low, *row.predicted);
    row.predicted_high = std::max(evaluation.interval->high, *row.predicted);
  }
  if (executor == "simulator") row.time = row.predicted;
  row.bound = context.limits.at(outcome.kind).time(evaluation.program.payload);
  row.verified = true;  // an evaluation holds a proof
  row.in_place = evaluation.proof.in_place();
  row.channels = evaluation.program.blocks();
  row.protocol = to_string(evaluation.program.tuning.protocol);
  row.parts = evaluation.program.tuning.parts;
  row.slice = evaluation.program.tuning.slice;
  row.slices = evaluation.program.tuning.slices;
  if (plan.planner != outcome.choice->name) row.chosen = form_of(plan);
  return row;
}

// One line for all sizes that an algorithm cannot do for the same reason.
std::vector<Skipped> impossible(const std::vector<Outcome>& outcomes) {
  struct Group {
    std::string what;
    std::string reason;
    std::vector<Bytes> sizes;
    std::size_t asked = 0;
  };
  std::vector<Group> groups;
  for (const auto& outcome : outcomes) {
    if (!outcome.error) continue;
    const auto what = fmt::format("{} {}", to_string(outcome.kind), outcome.choice->label());
    auto reason = outcome.error->message;
    for (const auto& note : outcome.error->notes) reason += "; " + note;
    auto group = std::ranges::find_if(groups, [&](const Group& g) { return g.what == what && g.reason == reason; });
    if (group == groups.end()) group = groups.insert(group, {what, reason, {}, 0});
    group->sizes.push_back(outcome.size);
  }
  std::vector<Skipped> skipped;
  for (auto& group : groups) {
    const auto asked =
        std::ranges::count_if(outcomes, [&](const Outcome& o) { return fmt::format("{} {}", to_string(o.kind), o.choice->label()) == group.what; });
    if (static_cast<std::size_t>(asked) > group.sizes.size()) {
      group.what += fmt::format(" at {}{}", to_string(group.sizes.front()), group.sizes.size() > 1 ? " to " + to_string(group.sizes.back()) : "");
    }
    skipped.push_back({group.what, group.reason});
  }
  return skipped;
}

// Runs what was planned on one executor of this machine.
class Running {
 public:
  Running(const Context& context, const std::string& name, Report& report, Progress& progress)
      : context_(context), name_(name), report_(report), progress_(progress) {}

  void all(const std::vector<Outcome>& outcomes) {
    if (const auto ready = executor_state(name_); !ready) return skip(fmt::format("executor {}", name_), reason_of(ready.error()));
    const auto executor = make_executor(name_);
    std::vector<const Outcome*> now;
    for (const auto& outcome : outcomes) {
      if (outcome.evaluation && (name_ != "host" || outcome.size <= context_.experiment.measure.check_up_to)) now.push_back(&outcome);
    }
    const auto planned = std::ranges::count_if(outcomes, [](const Outcome& o) { return o.evaluation.has_value(); });
    if (static_cast<std::size_t>(planned) > now.size()) {
      skip(fmt::format("executor {} above {}", name_, to_string(context_.experiment.measure.check_up_to)),
           "larger data proves nothing new; measure: {check_up_to: ...} sets the limit");
    }
    progress_.stage(fmt::format("run on {}", name_), static_cast<std::int64_t>(now.size()));
    for (std::size_t i = 0; i < now.size(); ++i) {
      if (context_.stop && context_.stop()) {
        report_.interrupted = true;
        return skip(fmt::format("executor {}: {} of {} rows", name_, now.size() - i, now.size()), "the run was interrupted before them");
      }
      one(*executor, *now[i]);
    }
  }

 private:
  void one(const Executor& executor, const Outcome& outcome) {
    const auto& evaluation = *outcome.evaluation;
    const Job job{&context_.setting.topology, &context_.setting.routes, &evaluation.plan, &evaluation.program};
    // Host times say nothing about GPUs, so one run that checks the data is enough there.
    const bool host = name_ == "host";
    const RunOptions options{.warmup = host ? 0 : context_.experiment.measure.warmup,
                             .repeats = host ? 1 : context_.experiment.measure.repeats,
                             .seed = context_.experiment.seed,
                             .graph = context_.experiment.measure.graph};
    auto measured = executor.run(job, options);
    progress_.advance(fmt::format("{} {}", outcome.choice->label(), to_string(outcome.size)));
    if (!measured)
      return skip(fmt::format("{} {} {} at {}", name_, to_string(outcome.kind), outcome.choice->label(), to_string(outcome.size)),
                  reason_of(measured.error()));
    auto row = row_of(outcome, context_, name_);
    row.clock = measured->clock;
    row.time = measured->median();
    row.data = measured->check;
    report_.rows.push_back(std::move(row));
  }

  static std::string reason_of(const Error& error) {
    auto text = error.message;
    for (const auto& note : error.notes) text += "; " + note;
    return text;
  }
  void skip(const std::string& what, const std::string& reason) {
    progress_.note(fmt::format("skipped {}: {}", what, reason));
    report_.skipped.push_back({what, reason});
  }

  const Context& context_;
  const std::string name_;
  Report& report_;
  Progress& progress_;
};

// Where NCCL itself runs, its prediction is not needed.
bool nccl_rows_wanted(const Experiment& experiment) {
  return std::ranges::find(experiment.executors, "nccl") == experiment.executors.end() || !executor_state("nccl");
}

void add_findings(Report& report, const Context& context, const std::vector<Outcome>& outcomes) {
  const auto add = [&](std::vector<std::string> sentences) { std::ranges::move(sentences, std::back_inserter(report.findings)); };
  const auto& masked = context.experiment.masked;
  if (!masked.empty()) add({fmt::format("Planned as if this were missing: {}.", fmt::join(masked, ", "))});
  add(winner_sentences(report.rows));
  add(bottleneck_sentences(context.setting, outcomes, report.rows));
  add(critical_path_sentences(context.setting, context.experiment.profile, outcomes, report.rows));
  add(interval_sentences(report.rows));
  add(pcie_sentences(context.setting, outcomes));
  add(data_sentences(report.rows));
}

}  // namespace

Result<Report> run(const Experiment& experiment, Progress& progress, const std::function<bool()>& stop) {
  auto setting = make_setting(experiment.topology, experiment.profile);
  // One program is predicted, chosen by and run: where GPUs run it, the form is the one measured to suit them.
  if (std::ranges::find(experiment.executors, "cuda") != experiment.executors.end()) setting.suited = gpu_tuning;
  const Context context{experiment, setting, limits_of(experiment, progress), stop};
  for (const auto& warning : experiment.warnings) progress.note("warning: " + warning);
  const auto outcomes = plan_all(experiment, setting, progress, stop);
  Report report{.name = experiment.name, .provenance = provenance_of(experiment)};
  const auto nccl = nccl_rows_wanted(experiment) ? std::optional<NcclRows>(std::in_place, experiment, setting) : std::nullopt;
  if (nccl && !nccl->missing().empty()) progress.note("no prediction of NCCL: " + nccl->missing());
  for (std::size_t o = 0; o < outcomes.size(); ++o) {
    const auto& outcome = outcomes[o];
    if (outcome.evaluation) report.rows.push_back(row_of(outcome, context, "simulator"));
    const bool last = o + 1 == outcomes.size() || outcomes[o + 1].kind != outcome.kind || outcomes[o + 1].size != outcome.size;
    if (nccl && last) std::ranges::move(nccl->rows(outcome.kind, outcome.size), std::back_inserter(report.rows));
    // A planner whose plan is wrong is a bug that no report may hide.
    if (outcome.error && outcome.error->code == ErrorCode::verification_failed) return *outcome.error;
    if (outcome.error && outcome.error->code == ErrorCode::interrupted) report.interrupted = true;
  }
  mark_winners(report.rows);
  report.skipped = impossible(outcomes);
  for (const auto& skip : report.skipped) progress.note(fmt::format("skipped {}: {}", skip.what, skip.reason));
  for (const auto& name : experiment.executors) {
    if (name != "simulator") Running(context, name, report, progress).all(outcomes);
  }
  auto traces = winner_traces(experiment, setting, outcomes);
  if (!traces) return std::move(traces).error();
  report.attachments = *std::move(traces);
  add_findings(report, context, outcomes);
  return report;
}

Status status_of(const Report& report) {
  if (report.interrupted) {
    return Error{ErrorCode::interrupted, fmt::format("the run was interrupted: the report holds the {} rows that were finished", report.rows.size())};
  }
  for (const auto& row : report.rows) {
    if (!row.data || row.data->passed) continue;
    return Error{ErrorCode::verification_failed,
                 fmt::format("{} {} at {}: executor {} got {} of {} elements wrong", to_string(row.collective), row.algorithm, to_string(row.size),
                             row.executor, row.data->wrong, row.data->elements),
                 std::nullopt,
                 {row.data->first_wrong}};
  }
  return {};
}

}  // namespace p2plab
