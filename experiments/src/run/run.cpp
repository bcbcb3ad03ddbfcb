// SPDX-License-Identifier: Apache-2.0
#include "p2plab/experiment/run.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "config/sizes.h"
#include "p2plab/base/quantity.h"
#include "p2plab/plan/builtin_planners.h"
#include "p2plab/report/provenance.h"
#include "run/assumed.h"
#include "run/device_rows.h"
#include "run/executors.h"
#include "run/findings.h"
#include "run/measured_steps.h"
#include "run/nccl_rows.h"
#include "run/plan_cases.h"
#include "run/traces.h"
#include "run/views.h"

namespace p2plab {

namespace {

// "two_shot mode=direct": the planner, with the parameters that differ from its defaults.
std::string variant_of(const Plan& plan) {
  auto variant = AlgorithmChoice{plan.planner, plan.parameters};
  const auto planners = builtin_planners();
  if (const auto* entry = planners.find(plan.planner)) {
    for (const auto& known : entry->parameters) {
      const auto given = variant.parameters.find(known.name);
      if (given != variant.parameters.end() && given->second == known.fallback) variant.parameters.erase(given);
    }
  }
  return variant.label();
}

// What all rows of a run share.
struct Context {
  const Experiment& experiment;
  const Evaluator& evaluator;
  std::map<CollectiveKind, Limit> limits = {};
  std::map<CollectiveKind, Limit> least = {};  // the same with what is assumed of the machine as fast as it can be; empty where nothing is
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

Row row_of(const PlannedCase& planned, const Context& context, Measurement measurement) {
  const auto& evaluation = *planned.evaluation;
  const auto& plan = evaluation.plan();
  Row row;
  row.collective = planned.kind;
  // NCCL runs a schedule of its own, which nothing of what was planned says anything of.
  const bool theirs = is_nccl(measurement.executor);
  row.algorithm = theirs ? "nccl" : planned.choice->label();
  row.ranks = static_cast<int>(plan.schedule.collective().members.size());
  row.dtype = to_string(context.experiment.dtype);
  row.size = evaluation.program.payload.size();
  row.measurement = std::move(measurement);
  row.bound = context.limits.at(planned.kind).time(evaluation.program.payload);
  if (context.least.contains(planned.kind)) row.bound_low = context.least.at(planned.kind).time(evaluation.program.payload);
  row.in_place = evaluation.proved->proof.in_place();
  if (theirs) return row;
  const bool eager = row.measurement.clock == Clock::device && !context.experiment.measure.graph;
  row.prediction = eager ? as_run(evaluation.prediction, context.experiment) : evaluation.prediction;
  for (const auto& value : values_behind(context.evaluator, plan.schedule)) row.rests_on.push_back(value.what);
  row.verified = true;  // an evaluation holds a proof
  row.thread_blocks = evaluation.program.blocks();
  row.protocol = to_string(evaluation.program.tuning.protocol);
  row.blocks_per_lane = evaluation.program.tuning.blocks_per_lane;
  row.slice = evaluation.program.tuning.slice;
  row.slices = evaluation.program.tuning.slices;
  if (plan.planner != planned.choice->name) row.chosen = variant_of(plan);
  return row;
}

void add_skip(Report& report, Progress& progress, const std::string& what, const std::string& reason) {
  progress.note(fmt::format("skipped {}: {}", what, reason));
  report.skipped.push_back({what, reason});
}

// Of a job of many processes all are one executor, which this one leads.
std::unique_ptr<Executor> executor_of(const std::string& name, const Context& context) {
  const auto& job = context.experiment.job;
  return job && name != predicting_executor ? job(name) : make_executor(name, &context.evaluator);
}

// Runs what was planned where a repeat says nothing new: on the simulator, and on CPU threads, whose times say nothing about GPUs.
class Running {
 public:
  Running(const Context& context, std::string name, Report& report, Progress& progress)
      : context_(context), name_(std::move(name)), report_(report), progress_(progress) {}

  void all(const std::vector<PlannedCase>& cases) {
    const auto executor = executor_of(name_, context_);
    known_ = executor->clock() == Clock::simulated;
    const auto up_to = known_ ? largest_size : context_.experiment.measure.check_up_to;
    std::vector<const PlannedCase*> chosen;
    for (const auto& planned : cases) {
      if (planned.evaluation && planned.size <= up_to) chosen.push_back(&planned);
    }
    const auto possible = std::ranges::count_if(cases, [](const PlannedCase& o) { return o.evaluation.has_value(); });
    if (static_cast<std::size_t>(possible) > chosen.size()) {
      skip(fmt::format("executor {} above {}", name_, to_string(up_to)),
           "larger data proves nothing new; measure: {check_up_to: ...} sets the limit");
    }
    if (!known_) progress_.stage(fmt::format("run on {}", name_), static_cast<std::int64_t>(chosen.size()));
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      if (!known_ && context_.stop && context_.stop()) {
        report_.interrupted = true;
        return skip(fmt::format("executor {}: {} of {} rows", name_, chosen.size() - i, chosen.size()), "the run was interrupted before them");
      }
      one(*executor, *chosen[i]);
    }
  }

 private:
  void one(const Executor& executor, const PlannedCase& planned) {
    const auto& evaluation = *planned.evaluation;
    const Job job{&context_.evaluator.topology(), &evaluation.plan(), &evaluation.program};
    auto measured = executor.run(job, {.warmup = 0, .repeats = 1, .seed = context_.experiment.seed, .graph = context_.experiment.measure.graph});
    if (!known_) progress_.advance(fmt::format("{} {}", planned.choice->label(), to_string(planned.size)));
    if (!measured)
      return skip(fmt::format("{} {} {} at {}", name_, to_string(planned.kind), planned.choice->label(), to_string(planned.size)),
                  reason_of(measured.error()));
    report_.rows.push_back(row_of(planned, context_, *std::move(measured)));
  }

  void skip(const std::string& what, const std::string& reason) { add_skip(report_, progress_, what, reason); }

  const Context& context_;
  const std::string name_;
  bool known_ = false;  // what it says is known once a plan is made
  Report& report_;
  Progress& progress_;
};

Status in_one_process(const std::string& name) {
  return Error{ErrorCode::unsupported, fmt::format("{} runs in one process only; host, cuda and nccl run in several", name)};
}

// The executors that the config names and that can run here, CPU threads first, those of GPUs in turns.
void run_executors(const Context& context, const std::vector<PlannedCase>& cases, Report& report, Progress& progress) {
  std::vector<std::unique_ptr<Executor>> made;
  std::vector<NamedExecutor> devices;
  for (const auto& name : context.experiment.executors) {
    if (name == predicting_executor) continue;
    auto executor = executor_of(name, context);
    const auto ready = executor ? executor->available() : Status{context.experiment.job ? in_one_process(name) : executor_state(name)};
    if (!ready) {
      add_skip(report, progress, fmt::format("executor {}", name), reason_of(ready.error()));
      continue;
    }
    if (executor->clock() == Clock::host) {
      Running(context, name, report, progress).all(cases);
    } else {
      made.push_back(std::move(executor));
      devices.push_back({name, made.back().get()});
    }
  }
  if (devices.empty() || report.interrupted) return;
  GpuWatch watch;
  report.provenance.before = watch.texts(watch.look());
  const auto add = [&](const PlannedCase& planned, Measurement measured, const std::vector<std::string>& disturbed) {
    report.rows.push_back(row_of(planned, context, std::move(measured)));
    report.rows.back().disturbed = disturbed;
  };
  const auto skip = [&](const std::string& what, const std::string& reason) { add_skip(report, progress, what, reason); };
  report.interrupted = !time_on_devices(devices, cases, {context.evaluator, context.experiment, context.stop, progress, watch, add, skip});
  report.provenance.after = watch.texts(watch.look());
}

// The same plans on another machine, predicted.
std::vector<Row> rows_on(const Topology& machine, const Context& context, Progress& progress) {
  auto experiment = context.experiment;
  experiment.topology = machine;
  if (experiment.root.index() >= static_cast<std::size_t>(machine.ranks())) return {};
  const Planning planning(Evaluator(machine, experiment.profile, {.forms = experiment.forms}));
  Context there{experiment, planning.evaluator(), {}, {}, context.stop};
  for (const auto kind : experiment.collectives)
    there.limits.emplace(kind, Limit{.time = [](const Payload&) { return std::nullopt; }});  // asked by nobody
  const auto cases = plan_cases(experiment, planning, progress, context.stop);
  Report report;
  SilentProgress silent;  // what the other machine cannot do is no loss of this run
  Running(there, predicting_executor, report, silent).all(cases);
  mark_winners(report.rows);
  return report.rows;
}

// In the order of the questions; those that the rows cannot answer come last.
std::vector<std::string> answers_of(const Context& context, const std::vector<Row>& rows, Progress& progress) {
  std::vector<std::string> sentences;
  std::vector<std::string> open;
  for (const auto& question : context.experiment.questions) {
    const auto other = question.other ? rows_on(*question.other, context, progress) : std::vector<Row>{};
    auto found = answer(question, {context.experiment.topology.name(), context.experiment.masked, rows, other});
    std::ranges::move(found.sentences, std::back_inserter(found.answered ? sentences : open));
  }
  std::ranges::move(open, std::back_inserter(sentences));
  return sentences;
}

void add_findings(Report& report, const Context& context, const std::vector<PlannedCase>& cases, const std::vector<WinnerRecording>& recordings,
                  bool traces, const std::vector<std::string>& answers) {
  const auto add = [&](std::vector<std::string> sentences) { std::ranges::move(sentences, std::back_inserter(report.findings)); };
  const auto& masked = context.experiment.masked;
  add(answers);
  report.answers = answers.size();
  const bool said = std::ranges::any_of(context.experiment.questions, [](const RunQuestion& each) { return each.kind == QuestionKind::cost; });
  if (!masked.empty() && !said) add({fmt::format("Planned as if this were missing: {}.", fmt::join(masked, ", "))});
  add(bottleneck_sentences(context.evaluator, cases, report.rows));
  add(critical_path_sentences(context.evaluator, recordings, report.rows));
  add(step_sentences(recordings));
  if (traces) add(trace_sentences(recordings));
  add(outlier_sentences(context.evaluator, cases, report.rows));
  add(disturbed_sentences(report.rows));
  add(interval_sentences(report.rows));
  add(assumed_sentences(report.provenance.assumed));
  add(pcie_sentences(context.evaluator, cases));
  add(data_sentences(report.rows));
}

// NCCL's rows stand below those of their collective and size.
void add_nccl_rows(const NcclRows& nccl, const Experiment& experiment, Report& report) {
  for (const auto kind : experiment.collectives) {
    for (const auto size : experiment.sizes) std::ranges::move(nccl.rows(kind, size), std::back_inserter(report.rows));
  }
  const auto place = [&](const Row& row) { return std::pair{std::ranges::find(experiment.collectives, row.collective), row.size}; };
  std::ranges::stable_sort(report.rows, {}, place);
}

}  // namespace

Result<Report> run(const Experiment& experiment, Progress& progress, const std::function<bool()>& stop, bool traces) {
  // One program is predicted, chosen by and run.
  const Planning planning(Evaluator(experiment.topology, experiment.profile, {.forms = experiment.forms}));
  const auto& evaluator = planning.evaluator();
  const Context context{experiment, evaluator, limits_of(experiment, progress), limits_at_fastest(experiment), stop};
  for (const auto& warning : experiment.warnings) progress.note("warning: " + warning);
  const auto cases = plan_cases(experiment, planning, progress, stop);
  Report report{.name = experiment.name, .provenance = provenance_of(experiment)};
  report.provenance.assumed = values_behind(evaluator, cases);
  const auto nccl = nccl_rows_wanted(experiment) ? std::optional<NcclRows>(std::in_place, experiment, evaluator) : std::nullopt;
  if (nccl && !nccl->missing().empty()) progress.note("no prediction of NCCL: " + nccl->missing());
  Running(context, predicting_executor, report, progress).all(cases);
  if (nccl) add_nccl_rows(*nccl, experiment, report);
  for (const auto& planned : cases) {
    // A planner whose plan is wrong is a bug that no report may hide.
    if (planned.error && planned.error->code == ErrorCode::verification_failed) return *planned.error;
    if (planned.error && planned.error->code == ErrorCode::interrupted) report.interrupted = true;
  }
  mark_winners(report.rows);
  report.skipped = impossible(cases);
  for (const auto& skip : report.skipped) progress.note(fmt::format("skipped {}: {}", skip.what, skip.reason));
  run_executors(context, cases, report, progress);
  auto recordings = record_winners(evaluator, cases);
  if (!recordings) return recordings.error();
  if (!report.interrupted) measure_steps(experiment, evaluator, *recordings, [&](const std::string& text) { progress.note(text); });
  if (traces) report.attachments = traces_of(evaluator.topology(), *recordings);
  report.views = views_of(evaluator.topology(), *recordings);
  add_findings(report, context, cases, *recordings, traces, answers_of(context, report.rows, progress));
  return report;
}

Status status_of(const Report& report) {
  if (report.interrupted) {
    return Error{ErrorCode::interrupted, fmt::format("the run was interrupted: the report holds the {} rows that were finished", report.rows.size())};
  }
  for (const auto& row : report.rows) {
    if (!row.data() || row.data()->passed) continue;
    return Error{ErrorCode::verification_failed,
                 fmt::format("{} {} at {}: executor {} got {} of {} elements wrong", to_string(row.collective), row.algorithm, to_string(row.size),
                             row.executor(), row.data()->wrong, row.data()->elements),
                 std::nullopt,
                 {row.data()->first_wrong}};
  }
  return {};
}

}  // namespace p2plab
