// SPDX-License-Identifier: Apache-2.0
// p2plab plan: one algorithm for one collective and size on one machine.
#include <algorithm>
#include <chrono>
#include <iostream>

#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/command.h"
#include "p2plab/base/quantity.h"
#include "p2plab/experiment/plan_summary.h"
#include "p2plab/experiment/planning.h"
#include "p2plab/machine/topology_view.h"
#include "p2plab/program/lower.h"
#include "p2plab/program/plan_io.h"
#include "p2plab/program/program_io.h"
#include "p2plab/schedule/order_of_sums.h"
#include "p2plab/schedule/repair.h"
#include "plan/collective_bound.h"

namespace p2plab::cli {

namespace {

struct PlanArguments {
  MachineArgument topology;
  GroupArguments group;
  std::string size = "64 MiB";
  std::string algorithm = "auto";
  std::vector<std::string> set;
  std::string dtype = "float32";
  std::string profile;
  std::string out;
  std::string program;
  std::string repair;
  std::string order = "any";
  std::string check;
  LimitArguments limits;
  int multiprocessors = 0;
  bool in_place = false;
  bool json = false;
};

struct Task {
  Collective collective;
  Payload payload;
  AlgorithmChoice choice;
  bool in_place = false;
  std::optional<PlanFile> old = std::nullopt;  // to repair
};

// What an old plan did, among its GPUs that the machine still has.
Result<Task> task_of_plan(const std::string& path, const Topology& topology) {
  auto old = plan_from(path);
  if (!old) return std::move(old).error();
  auto collective = surviving(old->plan.schedule.collective(), old->topology, topology);
  if (!collective) return std::move(collective).error();
  Task task{*std::move(collective), old->payload, {old->plan.planner, old->plan.parameters}, old->in_place};
  task.old = *std::move(old);
  return task;
}

// The plan of a file as it stands, for the machine in it.
Task task_of_check(const std::shared_ptr<const PlanFile>& file) {
  AlgorithmChoice choice{.name = "plan", .file = file};
  return {file->plan.schedule.collective(), file->payload, std::move(choice), file->in_place};
}

Result<Task> task_from(const PlanArguments& arguments, const Topology& topology) {
  if (!arguments.repair.empty()) return task_of_plan(arguments.repair, topology);
  auto collective = collective_from(arguments.group, topology.ranks());
  if (!collective) return std::move(collective).error();
  auto size = read_option("--size", parse_bytes(arguments.size));
  if (!size) return std::move(size).error();
  auto payload = payload_from(*size, arguments.dtype);
  if (!payload) return std::move(payload).error();
  auto parameters = parameter_list(arguments.algorithm, arguments.set);
  if (!parameters) return std::move(parameters).error();
  return Task{*std::move(collective), *payload, {arguments.algorithm, *std::move(parameters)}, arguments.in_place};
}

// GPUs that take no part in the collective, but in the plan.
std::string relays_text(const Program& program, const Topology& topology) {
  std::vector<std::string> names;
  std::vector<bool> told(static_cast<std::size_t>(topology.ranks()));
  for (const auto rank : program.collective.members) told[rank.index()] = true;
  for (const auto& lane : program.lanes) {
    for (int image = 0; image < (program.folded ? program.images->images() : 1); ++image) {
      const auto rank = program.folded ? program.images->moved(image, lane.rank) : lane.rank;
      if (!told[rank.index()]) names.push_back(topology.node(topology.node_of(rank)).name);
      told[rank.index()] = true;
    }
  }
  return names.empty() ? std::string{} : fmt::format("  relays            {}, which take no part themselves\n", short_names(names));
}

// What the plan takes where it has so many multiprocessors of each GPU: packets go by fewer threads, slices by fewer blocks.
Result<Seconds> time_with(const Evaluator& evaluator, const Evaluation& evaluation, int multiprocessors) {
  auto program = evaluation.program;
  if (!program.packets && program.blocks() > multiprocessors) {
    auto tuning = program.tuning;
    const int lanes = program.blocks() / std::max(1, tuning.blocks_per_lane);
    tuning.blocks_per_lane = std::max(1, multiprocessors / std::max(1, lanes));
    auto fewer = evaluator.lowered(*evaluation.proved, program.payload, tuning);
    if (!fewer) return std::move(fewer).error();
    program = *std::move(fewer);
    if (program.blocks() > multiprocessors)
      return Error{ErrorCode::unsupported, fmt::format("the plan needs {} thread blocks of each GPU, not {}", program.blocks(), multiprocessors)};
  }
  const auto result = evaluator.simulate(program, {.in_a_row = true, .multiprocessors = multiprocessors});
  if (!result) return result.error();
  return to_seconds(result->period);
}

// What is printed and written of a plan, whether it is the last or the best so far.
struct Giver {
  PlanArguments arguments;
  std::shared_ptr<const Evaluator> evaluator;
  Limit limit;
  bool in_place = false;
  std::string order = {};  // of sums, that is promised; empty: none
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();

  Status operator()(const Evaluation& evaluation, Watch& watch) const {
    auto summary = summarize(*evaluator, evaluation, std::chrono::steady_clock::now() - start, limit);
    Status fits;  // the plan is given all the same
    if (arguments.multiprocessors > 0) {
      const auto time = time_with(*evaluator, evaluation, arguments.multiprocessors);
      if (time) {
        summary.multiprocessors = arguments.multiprocessors;
        summary.with_them = *time;
      } else {
        fits = time.error();
      }
    }
    Status written;
    if (!arguments.out.empty())
      written =
          watch.write(arguments.out, write_plan({evaluator->topology(), evaluation.kept_plan(), evaluation.program.payload, in_place, {}, order}));
    if (written && !arguments.program.empty()) written = write_whole(evaluation, watch);
    auto printed =
        watch.print(arguments.json ? to_json(summary) : to_text(summary) + relays_text(evaluation.program, evaluator->topology()) + order_text());
    if (!written) return written;
    return printed ? std::move(fits) : std::move(printed);
  }

  Status write_whole(const Evaluation& evaluation, Watch& watch) const {
    const auto whole = evaluator->whole(evaluation);
    if (!whole) return whole.error();
    return watch.write(arguments.program, write_program({evaluator->topology(), whole->program}));
  }

  std::string order_text() const { return order.empty() ? std::string{} : fmt::format("  order of sums     {}, for every element\n", order); }
};

// The bound comes first: it is worth telling even where no plan is found in the time or memory there is.
Limit known_limit(const Topology& topology, const Task& task, Watch& watch) {
  const auto half = watch.time_left().value_or(Seconds{0}) / 2;
  auto limit = limit_of(topology, task.collective, [&] { return watch.time_left() && *watch.time_left() <= half; });
  if (const auto least = limit.time ? limit.time(task.payload) : std::nullopt; least && least->count() > 0)
    watch.know(fmt::format("no plan can take less than {:.2f} us: {}", microseconds(*least), limit.argument));
  return limit;
}

// What is planned, on which machine.
struct Asked {
  std::shared_ptr<const PlanFile> checked;  // --check
  Topology topology;
  Task task;
};

Result<Asked> asked_of(const PlanArguments& arguments) {
  std::shared_ptr<const PlanFile> checked;
  if (!arguments.check.empty()) {
    auto file = plan_from(arguments.check);
    if (!file) return std::move(file).error();
    checked = std::make_shared<const PlanFile>(*std::move(file));
  }
  auto topology = checked ? Result<Topology>(checked->topology) : topology_from(arguments.topology);
  if (!topology) return std::move(topology).error();
  if (auto able = arguments.out.empty() ? Status{} : try_text_of(*topology); !able) return std::move(able).error();
  auto task = checked ? Result<Task>(task_of_check(checked)) : task_from(arguments, *topology);
  if (!task) return std::move(task).error();
  if (arguments.repair.empty() && !checked) topology = machine_of(arguments.group, *topology);
  if (!topology) return std::move(topology).error();
  return Asked{std::move(checked), *std::move(topology), *std::move(task)};
}

// What the planner of an old plan cannot do on what is left of its machine another one may.
Result<Evaluation> planned(const Evaluator& evaluator, const Task& task, const PlanningOptions& options) {
  auto evaluation = plan_one(evaluator, task.choice, task.collective, task.payload, options);
  if (evaluation || !task.old) return evaluation;
  const auto code = evaluation.error().code;
  if (code != ErrorCode::unsupported && code != ErrorCode::unknown_name) return evaluation;
  std::cerr << fmt::format("note: {}; so all planners are weighed\n", evaluation.error().message);
  return plan_one(evaluator, {"auto"}, task.collective, task.payload, options);
}

Status plan(const PlanArguments& arguments, Watch& watch) {
  auto seconds = limits_from(arguments.limits, watch);
  if (!seconds) return std::move(seconds).error();
  for (const auto* out : {&arguments.out, &arguments.program}) {
    if (auto able = try_out(*out); !able) return able;
  }
  auto asked = asked_of(arguments);
  if (!asked) return std::move(asked).error();
  const auto& checked = asked->checked;
  const auto* topology = &asked->topology;
  const auto* task = &asked->task;
  auto profile = profile_from(arguments.profile, *topology);
  if (!profile) return std::move(profile).error();
  if (auto able = afford_routes(topology->ranks(), watch); !able) return able;
  const auto limit = known_limit(*topology, *task, watch);
  const auto evaluator = std::make_shared<const Evaluator>(*topology, *profile, EvaluatorOptions{.folded = true});
  const bool fixed = arguments.order == "fixed";
  const auto order = checked ? checked->order : (fixed ? members_in_order(task->collective) : std::string{});
  const Giver give{arguments, evaluator, limit, task->in_place, order};
  PlanningOptions options{.in_place = task->in_place, .fixed_order = fixed};
  std::optional<PreviousPlan> previous;
  if (task->old) previous.emplace(PreviousPlan{task->old->topology, task->old->plan.schedule});
  if (previous) options.previous = &*previous;
  constexpr double to_search = 0.75;  // the rest is for proving, lowering and predicting what was found
  if (*seconds) options.time_limit = to_search * watch.time_left().value_or(**seconds);
  options.found = [&watch, give, best = std::make_shared<std::optional<Seconds>>()](const std::shared_ptr<const Evaluation>& found) {
    if (*best && **best <= found->prediction.time) return;
    *best = found->prediction.time;
    watch.keep([&watch, give, found](const std::string&) { return give(*found, watch); });
  };
  watch.showing(fmt::format("planning {} with {}", to_string(task->collective.kind), task->choice.label()));
  auto evaluation = planned(*evaluator, *task, options);
  if (!evaluation) return checked ? in_file(std::move(evaluation).error(), arguments.check) : std::move(evaluation).error();
  if (auto kept = checked ? keeps_order(evaluation->plan().schedule, task->in_place, order) : Status{}; !kept)
    return in_file(std::move(kept).error(), arguments.check);
  watch.finishing();
  return give(*evaluation, watch);
}

}  // namespace

Command plan_command(CLI::App& parent) {
  auto a = std::make_shared<PlanArguments>();
  auto* app = add_command(parent, "plan", "Plan one collective with one algorithm, prove it and predict its time",
                          "p2plab plan dgx-v100 --collective all_reduce --size '64 MiB' --algorithm ring");
  add_machine_options(*app, a->topology, "--topology,topology", "a file or a preset, as in hgx-h200:gpus=4");
  add_group_options(*app, a->group);
  app->add_option("--size", a->size, "nccl-tests' size, as in '64 MiB'")->capture_default_str()->type_name("S");
  app->add_option("--algorithm", a->algorithm, "a planner (p2plab list algorithms)")->capture_default_str()->type_name("A");
  app->add_option("--set", a->set, "a parameter of the planner; may be repeated")->type_name("KEY=VALUE");
  app->add_option("--dtype", a->dtype, "element type")->capture_default_str()->type_name("TYPE");
  app->add_option("--profile", a->profile, "calibration of the simulator (default: that of the machine's GPUs; ideal: none)")->type_name("P");
  app->add_option("--out", a->out, "write the plan to a file, for verify, simulate and export")->type_name("FILE");
  app->add_option("--program", a->program, "write the lowered program to a file, for verify and runtimes")->type_name("FILE");
  auto* repair =
      app->add_option("--repair", a->repair,
                      "do what an old plan did, on this machine, which has lost links or GPUs of the old one; by any planner if the old one cannot")
          ->type_name("FILE");
  for (const auto* other : {"--collective", "--size", "--algorithm", "--root", "--ranks", "--set", "--dtype"})
    repair->excludes(app->get_option(other));
  app->add_option("--multiprocessors", a->multiprocessors,
                  "say what the plan takes with so many of each GPU, the others being free for kernels beside it")
      ->check(CLI::Range(1, 1024))
      ->type_name("K");
  add_time_limit(*app, a->limits, "how long to search; then the best plan so far, its gap stated", "--deadline");
  add_memory_limit(*app, a->limits);
  app->add_option("--order", a->order, "of sums; fixed: every element adds the members in their order, whatever its place, the size, the rank")
      ->check(CLI::IsMember({"any", "fixed"}))
      ->capture_default_str()
      ->type_name("O");
  auto* check = app->add_option("--check", a->check, "prove and predict the plan in a file, made by hand or by another program; --out writes it anew")
                    ->type_name("FILE");
  for (const auto* other :
       {"--topology", "--machine", "--collective", "--size", "--algorithm", "--root", "--ranks", "--set", "--dtype", "--repair", "--order"})
    check->excludes(app->get_option(other));
  app->parse_complete_callback([a] {
    if (a->topology.empty() && a->check.empty()) throw CLI::RequiredError("--topology (or --check)");
  });
  app->add_flag("--in-place", a->in_place, "input and output share memory");
  app->add_flag("--json", a->json, "print the figures as JSON");
  return {app, [a](Watch& watch) { return plan(*a, watch); }};
}

}  // namespace p2plab::cli
