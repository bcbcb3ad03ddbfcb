// SPDX-License-Identifier: Apache-2.0
#include "p2plab/experiment/bench.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "config/sizes.h"
#include "p2plab/base/quantity.h"
#include "p2plab/plan/builtin_planners.h"
#include "p2plab/program/check.h"

namespace p2plab {

namespace {

constexpr std::size_t most_bench_sizes = 10'000;

bool cut_per_rank(CollectiveKind kind) {
  return kind == CollectiveKind::all_gather || kind == CollectiveKind::reduce_scatter || kind == CollectiveKind::all_to_all;
}

Error bad(std::string message) { return Error{ErrorCode::invalid_input, std::move(message)}; }

Result<std::vector<Bytes>> sizes_of(const BenchOptions& options) {
  if (options.to < options.from) return bad(fmt::format("the sizes end at {}, below their start {}", to_string(options.to), to_string(options.from)));
  if (options.to > largest_size) return bad(fmt::format("sizes go up to {}, got {}", to_string(largest_size), to_string(options.to)));
  if (options.step && options.step->count() <= 0) return bad("the step between sizes must be above 0 B");
  if (!options.step && (options.factor < 2 || options.from.count() == 0) && options.from < options.to) {
    return bad(fmt::format("a factor of {} never leads from {} to {}; give a factor from 2 on, or a step with -i", options.factor,
                           to_string(options.from), to_string(options.to)));
  }
  std::vector<Bytes> sizes;
  for (auto size = options.from; size <= options.to; size = options.step ? size + *options.step : size * options.factor) {
    if (sizes.size() == most_bench_sizes) return bad(fmt::format("more than {} sizes", most_bench_sizes));
    sizes.push_back(size);
    if (options.from == options.to) break;
  }
  return sizes;
}

Status check(const BenchOptions& options) {
  constexpr int most = 1'000'000;
  for (const auto& [word, value, least] :
       {std::tuple{"iterations", options.iterations, 1}, {"warm-up iterations", options.warmup, 0}, {"graph launches", options.graphs, 0}}) {
    if (value < least || value > most) return bad(fmt::format("{} must be from {} to {}, got {}", word, least, most, value));
  }
  if (options.blocking && options.graphs > 0) return bad("calls in a graph cannot each be waited for: give -z or -G");
  return {};
}

// -n calls are one sample, of which the executor takes as many as graphs are launched; alone, each call is a sample.
RunOptions run_options(const BenchOptions& options, bool host) {
  RunOptions run{.graph = options.graphs > 0, .check = options.check, .staged = options.staged, .registration = options.registration};
  const bool alone = host || options.blocking;
  run.calls = alone ? 1 : options.iterations;
  run.repeats = alone ? options.iterations : std::max(1, options.graphs);
  run.warmup = alone ? options.warmup : (options.warmup + options.iterations - 1) / options.iterations;
  return run;
}

class Bench {
 public:
  Bench(const Evaluator& evaluator, const Executor& executor, const std::string& name, const BenchOptions& options)
      : planning_(evaluator), executor_(executor), name_(name), options_(options), planners_(builtin_planners()) {}

  BenchRow row(const Payload& payload, BenchReport& report) const {
    BenchRow row{
        .collective = collective().kind, .ranks = static_cast<int>(collective().members.size()), .payload = payload, .root = collective().root};
    for (const bool in_place : {false, true}) {
      auto& side = in_place ? row.in_place : row.out_of_place;
      if (auto done = measure(payload, in_place, row, side, report); !done) side.error = std::move(done).error();
    }
    return row;
  }

 private:
  Collective collective() const {
    if (options_.program) return options_.program->program.collective;
    if (options_.plan) return options_.plan->plan.schedule.collective();
    return make_collective(options_.collective, planning_.evaluator().topology().ranks(), options_.root);
  }

  Status measure(const Payload& payload, bool in_place, BenchRow& row, BenchSide& side, BenchReport& report) const {
    if (options_.program) {
      const auto& program = options_.program->program;
      if (program.in_place != in_place)
        return Error{ErrorCode::unsupported, fmt::format("the program is made for buffers that are {}", program.in_place ? "one" : "apart")};
      auto plan = without_steps(program);
      if (!plan) return std::move(plan).error();
      return run({*plan, program}, row, side, report);
    }
    auto evaluation = planned(payload, in_place);
    if (!evaluation) return std::move(evaluation).error();
    return run({evaluation->plan(), evaluation->program}, row, side, report);
  }

  struct Subject {
    const Plan& plan;
    const Program& program;
  };

  Status run(const Subject& subject, BenchRow& row, BenchSide& side, BenchReport& report) const {
    const Job job{&planning_.evaluator().topology(), &subject.plan, &subject.program};
    auto measured = executor_.run(job, run_options(options_, name_ == "host"));
    if (!measured) return std::move(measured).error();
    side.time = measured->median();
    side.check = measured->check;
    row.algorithm = name_.starts_with("nccl") ? "nccl" : fmt::format("{}, {}", subject.plan.planner, to_string(subject.program.tuning.protocol));
    report.clock = measured->clock;
    report.notes = measured->notes;
    return {};
  }

  // What a program promises, as a plan: of it executors read only who holds what before and after.
  static Result<Plan> without_steps(const Program& program) {
    auto builder = Schedule::Builder::create(program.collective, program.ranks());
    if (!builder) return std::move(builder).error();
    const auto blocks = contract(program.collective, program.ranks());
    if (!blocks) return blocks.error();
    for (std::int32_t b = 0; b < std::ssize(*blocks); ++b) builder->add_chunk({.block = b});
    auto schedule = std::move(*builder).build();
    if (!schedule) return std::move(schedule).error();
    return Plan{*std::move(schedule), "program", {}, program.tuning, "as its file says"};
  }

  Result<Evaluation> planned(const Payload& payload, bool in_place) const {
    if (options_.plan) return of_file(payload, in_place);
    if (name_.starts_with("nccl")) return any_plan(payload, in_place);
    return planning_.plan(options_.algorithm, collective(), payload, {.in_place = in_place});
  }

  // Nobody asks what it is predicted to take.
  Result<Evaluation> of_file(const Payload& payload, bool in_place) const {
    const std::shared_ptr<const Plan> plan(options_.plan, &options_.plan->plan);
    auto proved = planning_.evaluator().prove(plan, in_place);
    if (!proved) return std::move(proved).error();
    const auto& evaluator = planning_.evaluator();
    auto program = lower_checked(evaluator.topology(), plan->schedule, (*proved)->proof, payload, plan->tuning);
    if (!program) return std::move(program).error();
    return Evaluation{*std::move(proved), *std::move(program), {}};
  }

  // NCCL runs a schedule of its own: any plan tells it which data goes where.
  Result<Evaluation> any_plan(const Payload& payload, bool in_place) const {
    Error last = bad("no planner plans this");
    for (const auto& entry : planners_.entries()) {
      auto evaluation = planning_.plan({entry.name}, collective(), payload, {.in_place = in_place});
      if (evaluation) return evaluation;
      last = std::move(evaluation).error();
    }
    return last;
  }

  Planning planning_;
  const Executor& executor_;
  const std::string& name_;
  const BenchOptions& options_;
  Registry<Planner> planners_;
};

// Whole elements; equal blocks where the collective cuts them.
Payload payload_for(Bytes size, DataType type, ReduceOp op, int parts) {
  const auto elements = size.count() / size_of(type);
  return {.elements = elements / parts * parts, .type = type, .op = op};
}

}  // namespace

std::int64_t BenchRow::count() const { return cut_per_rank(collective) ? payload.elements / std::max(ranks, 1) : payload.elements; }

std::optional<double> BenchRow::algbw_gbps(const BenchSide& side) const {
  if (!side.time) return std::nullopt;
  return side.time->count() > 0 ? static_cast<double>(payload.size().count()) / side.time->count() * 1e-9 : 0;
}

std::optional<double> BenchRow::busbw_gbps(const BenchSide& side) const {
  const auto rate = algbw_gbps(side);
  if (!rate) return rate;
  return *rate * bus_factor(collective, ranks);
}

double BenchReport::mean_busbw_gbps() const {
  double sum = 0;
  int times = 0;
  for (const auto& row : rows) {
    for (const auto* side : {&row.out_of_place, &row.in_place}) {
      if (const auto rate = row.busbw_gbps(*side)) sum += *rate, ++times;
    }
  }
  return times > 0 ? sum / times : 0;
}

bool BenchReport::checked() const {
  return std::ranges::any_of(rows, [](const BenchRow& row) { return row.out_of_place.check || row.in_place.check; });
}

std::int64_t BenchReport::wrong() const {
  std::int64_t sum = 0;
  for (const auto& row : rows) {
    for (const auto* side : {&row.out_of_place, &row.in_place}) sum += side->check ? side->check->wrong : 0;
  }
  return sum;
}

namespace {

// The program's own, or those of all types, operations and sizes, in this order.
Result<std::vector<Payload>> payloads_of(const BenchOptions& options, int ranks) {
  if (options.program) return std::vector{options.program->program.payload};
  const auto sizes = sizes_of(options);
  if (!sizes) return sizes.error();
  const auto kind = options.plan ? options.plan->plan.schedule.collective().kind : options.collective;
  const auto ops = reduces(kind) ? options.ops : std::vector{ReduceOp::sum};
  const auto parts = cut_per_rank(kind) ? ranks : 1;
  std::vector<Payload> payloads;
  for (const auto type : options.types) {
    for (const auto op : ops) {
      for (const auto size : *sizes) payloads.push_back(payload_for(size, type, op, parts));
    }
  }
  return payloads;
}

}  // namespace

Result<BenchReport> bench(const Evaluator& evaluator, const Executor& executor, const std::string& name, const BenchOptions& options,
                          const BenchListener& listener) {
  if (auto good = check(options); !good) return std::move(good).error();
  if (options.program && name.starts_with("nccl")) return Error{ErrorCode::unsupported, fmt::format("executor {} runs no programs of ours", name)};
  const auto payloads = payloads_of(options, evaluator.topology().ranks());
  if (!payloads) return payloads.error();
  const Bench bench(evaluator, executor, name, options);
  BenchReport report{.executor = name, .provenance = provenance_here()};
  report.provenance.topology = evaluator.topology().name();
  report.provenance.profile = evaluator.profile().name;
  for (const auto& payload : *payloads) {
    report.rows.push_back(bench.row(payload, report));
    if (listener) listener(report, report.rows.back());
  }
  return report;
}

}  // namespace p2plab
