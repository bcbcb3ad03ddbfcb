// SPDX-License-Identifier: Apache-2.0
// p2plab bench: collectives on a real executor, with nccl-tests' flags and columns.
#include <algorithm>
#include <iostream>
#include <optional>
#include <variant>

#include <fmt/format.h>

#include "bench/led.h"
#include "cli/bench/bench_arguments.h"
#include "cli/command.h"
#include "p2plab/base/quantity.h"
#include "p2plab/experiment/evaluator.h"
#include "p2plab/experiment/version.h"
#include "p2plab/run/processes.h"
#include "run/executors.h"

namespace p2plab::cli {

namespace {

// What a plan's or a program's file holds, and the machine that it was made for; nothing where none is named.
struct Given {
  std::shared_ptr<const PlanFile> plan = nullptr;
  std::shared_ptr<const ProgramFile> program = nullptr;
  std::optional<Topology> machine = std::nullopt;
};

Result<Given> given_by(const std::string& path) {
  if (path.empty()) return Given{};
  auto file = plan_or_program_from(path);
  if (!file) return std::move(file).error();
  Given given;
  if (auto* program = std::get_if<ProgramFile>(&*file)) {
    given.program = std::make_shared<const ProgramFile>(std::move(*program));
    given.machine = given.program->topology;
  } else {
    given.plan = std::make_shared<const PlanFile>(std::move(std::get<PlanFile>(*file)));
    given.machine = given.plan->topology;
  }
  return given;
}

// What runs and reports in one process: all ranks, or, of several processes, rank 0's, which alone prints.
Status bench_here(const BenchArguments& a, int ranks, const Executor& executor, Session* job, Watch& watch) {
  const bool prints = job == nullptr || job->rank() == 0;
  auto given = given_by(a.plan);
  if (!given) return std::move(given).error();
  const auto& of_file = given->machine;
  if (of_file && job != nullptr) {
    if (auto all = check_ranks(a.plan, of_file->ranks(), ranks); !all) return all;
  } else if (of_file && a.ranks_said && ranks != of_file->ranks()) {
    return Error{.code = ErrorCode::invalid_input,
                 .message = fmt::format("{} has {} ranks, not {}", a.plan, of_file->ranks(), ranks),
                 .notes = {"leave out the number of ranks, or plan for so many"}};
  }
  if (of_file) ranks = of_file->ranks();
  std::ostream silent(nullptr);
  const auto machine = of_file ? Result<BenchMachine>{BenchMachine{*of_file}} : machine_for(a, ranks, prints ? std::cerr : silent);
  if (!machine) return machine.error();
  const auto& topology = machine->topology;
  auto options = options_from(a, ranks);
  if (!options) return std::move(options).error();
  if (auto alike = job != nullptr ? check_started_alike(*job, started_with(a, topology)) : Status{}; !alike) return alike;
  options->more_ranks = machine->more_ranks;
  options->plan = given->plan;
  options->program = given->program;
  auto profile = quiet_profile_from(a.profile, topology);
  if (!profile) return std::move(profile).error();
  if (auto able = prints ? try_out(a.file) : Status{}; !able) return able;
  bool begun = false;
  Status said;
  const auto say = [&](const std::string& text) {
    if (prints && said && !a.json) said = watch.print(text);
  };
  const auto forms = a.executor != "cuda" ? PlanForms::model : a.staged ? PlanForms::gpu_staged : PlanForms::gpu;
  auto report =
      bench(Evaluator(topology, *profile, {.forms = forms}), executor, a.executor, *options, [&](const BenchReport& so_far, const BenchRow& row) {
        if (!std::exchange(begun, true)) say(bench_header(so_far, *options));
        say(bench_line(row));
        // Whole after every row, so that whatever ends this program leaves the rows that were measured.
        if (prints && !a.file.empty()) {
          if (auto written = watch.write(a.file, to_json(so_far)); !written && said) said = std::move(written);
        }
      });
  if (!report) return std::move(report).error();
  say(bench_footer(*report));
  if (prints && a.json && said) said = watch.print(to_json(*report));
  if (!said) return said;
  if (report->wrong() > 0) return Error{ErrorCode::verification_failed, fmt::format("{} elements came out wrong", report->wrong())};
  // A row that cannot run is no failure, but a table without any time is.
  if (std::ranges::any_of(report->rows, [](const BenchRow& row) { return row.out_of_place.time || row.in_place.time; })) return {};
  if (report->rows.empty()) return {};
  const auto& row = report->rows.front();
  return *(given->program && given->program->program.in_place ? row.in_place : row.out_of_place).error;
}

Status bench_in_one_process(const BenchArguments& a, Watch& watch) {
  if (auto ready = executor_state(a.executor); !ready) {
    auto error = std::move(ready).error();
    error.notes.emplace_back("p2plab bench --executor host moves real data on CPU threads");
    return error;
  }
  return bench_here(a, a.processes > 0 ? a.processes : a.threads * a.gpus, *make_executor(a.executor), nullptr, watch);
}

// Where the ranks agree that it cannot be, for one reason, this process does it alone.
Status bench_in_processes(const BenchArguments& a, Watch& watch) {
  auto outcomes = run_processes({.ranks = a.processes}, [&](Session& session) {
    const auto executor = process_executor(a.executor, session);
    const auto able = executor->available();
    if (auto agreed = agree(session, {.build = std::string{version()}, .digest = {}, .obstacle = able ? std::string{} : able.error().message});
        !agreed)
      return agreed;
    return bench_here(a, a.processes, *executor, &session, watch);
  });
  if (!outcomes) return std::move(outcomes).error();
  for (auto& outcome : *outcomes) {
    if (outcome) continue;
    if (outcome.error().code != ErrorCode::unsupported || a.executor == "host") return std::move(outcome);
    std::cerr << "all processes fall back to one with a thread per GPU; " << outcome.error().message << '\n';
    return bench_in_one_process(a, watch);
  }
  return {};
}

// As one rank of a job that others started: rank 0 reports.
Status bench_launched(const BenchArguments& a, Watch& watch) {
  return as_launched_rank("bench", {}, Seconds{a.launch.gathering}, [&](Session& session) {
    const auto executor = process_executor(a.executor, session);
    const auto able = executor->available();
    if (auto agreed = agree(session, {.build = std::string{version()}, .digest = {}, .obstacle = able ? std::string{} : able.error().message});
        !agreed)
      return agreed;
    return bench_here(a, session.ranks(), *executor, &session, watch);
  });
}

Status run_bench(const BenchArguments& a, Watch& watch) {
  if (auto limits = limits_from(a.limits, watch); !limits) return std::move(limits).error();
  const auto known = known_executors();
  if (std::ranges::find(known, a.executor) == known.end() || a.executor == predicting_executor) {
    return unknown_name("executor", a.executor, {known.begin() + 1, known.end()});
  }
  if (a.staged && a.executor != "cuda") {
    return Error{ErrorCode::unsupported, fmt::format("executor {} stages nothing of its own; --staged is for cuda", a.executor)};
  }
  if (!a.launch.launched) say_that_ranks_run_alone();
  if (a.processes <= 0 && !a.launch.launched) return bench_in_one_process(a, watch);
  if (a.executor == "nccl_symmetric") {
    return Error{ErrorCode::unsupported,
                 fmt::format("executor {} runs in one process only; --processes and --launched are for host, cuda and nccl", a.executor)};
  }
  if (a.launch.launched) return bench_launched(a, watch);
  return bench_in_processes(a, watch);
}

}  // namespace

Command bench_command(CLI::App& parent) {
  auto a = std::make_shared<BenchArguments>();
  auto* app = add_command(parent, "bench", "Time and check collectives on a real executor, as nccl-tests does",
                          "p2plab bench --executor host -g 4 -b 1K -e 64K");
  app->add_option("--executor", a->executor, "host, cuda, nccl or nccl_symmetric")->capture_default_str()->type_name("X");
  app->add_option("--collective", a->collective, "what to do")->capture_default_str()->type_name("C");
  app->add_option("--algorithm", a->algorithm, "the planner (p2plab list algorithms)")->capture_default_str()->type_name("A");
  app->add_option("--set", a->set, "a parameter of the planner; may be repeated")->type_name("KEY=VALUE");
  auto* plan = app->add_option("--plan", a->plan, "run this plan file at all sizes instead, or this program file at its own")->type_name("FILE");
  add_machine_options(*app, a->topology, "--topology,topology", "a file or a preset (default: this machine; with host, GPUs that are all joined)");
  app->add_option("--profile", a->profile, "calibration by which 'auto' chooses (default: that of the machine's GPUs; ideal: none)")->type_name("P");
  app->add_option("--processes", a->processes, "so many processes, one a rank (default: one process, a thread a rank)")
      ->check(CLI::Range(0, 1024))
      ->type_name("N");
  add_launch_options(*app, a->launch, ", on one machine or on several")->excludes("--processes");
  app->add_option("-b,--minbytes", a->from, "smallest size")->capture_default_str()->type_name("SIZE");
  app->add_option("-e,--maxbytes", a->to, "largest size")->capture_default_str()->type_name("SIZE");
  app->add_option("-i,--stepbytes", a->step, "add this from size to size, instead of -f")->type_name("SIZE");
  app->add_option("-f,--stepfactor", a->factor, "multiply by this from size to size")->capture_default_str();
  app->add_option("-n,--iters", a->iterations, "calls that are timed")->capture_default_str();
  app->add_option("-w,--warmup_iters", a->warmup, "calls before them, rounded up to whole samples")->capture_default_str();
  app->add_option("-t,--nthreads", a->threads, "with -g: ranks are -t times -g")->check(CLI::Range(1, 64))->capture_default_str();
  app->add_option("-g,--ngpus", a->gpus, "GPUs per thread")->check(CLI::Range(1, 64))->capture_default_str();
  app->add_option("-c,--check", a->check, "compare all data with a reference: 0 or 1")->check(CLI::Range(0, 1))->capture_default_str();
  app->add_option("-d,--datatype", a->type, "half, float, double, bfloat16, int8 to uint64, all, or several with commas")
      ->capture_default_str()
      ->type_name("TYPE");
  app->add_option("-o,--op", a->op, "sum, prod, min, max, avg, all, or several with commas")->capture_default_str()->type_name("OP");
  app->add_option("-r,--root", a->root, "the rank that gives or gets, where only one does")->capture_default_str();
  app->add_option("-z,--blocking", a->blocking, "1: wait for each call, and time it alone")->check(CLI::Range(0, 1))->capture_default_str();
  app->add_option("-G,--cudagraph", a->graphs, "capture the calls in a graph and launch it so many times; 0: no graph")->capture_default_str();
  app->add_option("-R,--local_register", a->registration, "nccl: 1 registers the buffers, 2 as symmetric windows")
      ->check(CLI::Range(0, 2))
      ->capture_default_str();
  app->add_flag("--staged", a->staged, "cuda: on buffers that peers cannot reach; data passes through memory of our own where it must");
  app->add_option("-J,--output_file", a->file, "write the results as JSON, too: whole after each row")->type_name("FILE");
  app->add_flag("--json", a->json, "print the results as JSON instead of the table");
  add_memory_limit(*app, a->limits);
  // A file says what is done, how and on which machine.
  for (const auto* option : {"--collective", "--algorithm", "--set", "--topology", "--machine", "--root"}) plan->excludes(app->get_option(option));
  return {app, [a, app](Watch& watch) {
            a->ranks_said = app->count("--ngpus") + app->count("--nthreads") > 0;
            return run_bench(*a, watch);
          }};
}

}  // namespace p2plab::cli
