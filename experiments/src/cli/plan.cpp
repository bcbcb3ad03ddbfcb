// SPDX-License-Identifier: Apache-2.0
// p2plab plan: one algorithm for one collective and size on one machine.
#include <chrono>
#include <iostream>

#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/command.h"
#include "p2plab/base/quantity.h"
#include "p2plab/experiment/plan_summary.h"
#include "p2plab/experiment/planning.h"
#include "p2plab/program/plan_io.h"
#include "p2plab/program/program_io.h"
#include "p2plab/schedule/repair.h"

namespace p2plab::cli {

namespace {

struct PlanArguments {
  std::string topology;
  GroupArguments group;
  std::string size = "64 MiB";
  std::string algorithm = "auto";
  std::vector<std::string> set;
  std::string dtype = "float16";
  std::string profile;
  std::string out;
  std::string program;
  std::string repair;
  std::optional<double> deadline;
  bool in_place = false;
  bool json = false;
};

Result<Payload> payload_from(const PlanArguments& arguments) {
  auto size = parse_bytes(arguments.size);
  if (!size) return std::move(size).error();
  auto type = data_type(arguments.dtype);
  if (!type) return std::move(type).error();
  if (size->count() % size_of(*type) != 0) {
    return Error{ErrorCode::invalid_input,
                 fmt::format("{} is not a multiple of the element size: {} has {} bytes", to_string(*size), arguments.dtype, size_of(*type))};
  }
  return payload_of(*size, *type, ReduceOp::sum);
}

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

Result<Task> task_from(const PlanArguments& arguments, const Topology& topology) {
  if (!arguments.repair.empty()) return task_of_plan(arguments.repair, topology);
  auto collective = collective_from(arguments.group, topology.ranks());
  if (!collective) return std::move(collective).error();
  auto payload = payload_from(arguments);
  if (!payload) return std::move(payload).error();
  auto parameters = parameter_list(arguments.set);
  if (!parameters) return std::move(parameters).error();
  return Task{*std::move(collective), *payload, {arguments.algorithm, *std::move(parameters)}, arguments.in_place};
}

Status plan(const PlanArguments& arguments) {
  auto topology = topology_from(arguments.topology);
  if (!topology) return std::move(topology).error();
  auto task = task_from(arguments, *topology);
  if (!task) return std::move(task).error();
  auto profile = profile_from(arguments.profile);
  if (!profile) return std::move(profile).error();
  const Evaluator evaluator(*topology, *profile);
  const auto start = std::chrono::steady_clock::now();
  PlanningOptions options{.in_place = task->in_place};
  std::optional<PreviousPlan> previous;
  if (task->old) previous.emplace(PreviousPlan{task->old->topology, task->old->plan.schedule});
  if (previous) options.previous = &*previous;
  if (arguments.deadline) options.time_limit = Seconds{*arguments.deadline};
  auto evaluation = plan_one(evaluator, task->choice, task->collective, task->payload, options);
  if (!evaluation) return std::move(evaluation).error();
  const auto summary = summarize(evaluator, *evaluation, std::chrono::steady_clock::now() - start);
  if (!arguments.out.empty()) {
    if (auto ok = write_text(arguments.out, write_plan({*topology, evaluation->kept_plan(), task->payload, task->in_place})); !ok) return ok;
  }
  if (!arguments.program.empty()) {
    if (auto ok = write_text(arguments.program, write_program({*topology, evaluation->program})); !ok) return ok;
  }
  std::cout << (arguments.json ? to_json(summary) : to_text(summary));
  return {};
}

}  // namespace

Command plan_command(CLI::App& parent) {
  auto a = std::make_shared<PlanArguments>();
  auto* app = add_command(parent, "plan", "Plan one collective with one algorithm, prove it and predict its time",
                          "p2plab plan --topology dgx-v100 --collective all_reduce --size '64 MiB' --algorithm ring");
  app->add_option("--topology", a->topology, "a file or a preset, as in hgx-h200:gpus=4")->required()->type_name("T");
  add_group_options(*app, a->group);
  app->add_option("--size", a->size, "nccl-tests' size, as in '64 MiB'")->capture_default_str()->type_name("S");
  app->add_option("--algorithm", a->algorithm, "a planner (p2plab list algorithms)")->capture_default_str()->type_name("A");
  app->add_option("--set", a->set, "a parameter of the planner; may be repeated")->type_name("KEY=VALUE");
  app->add_option("--dtype", a->dtype, "element type")->capture_default_str()->type_name("TYPE");
  app->add_option("--profile", a->profile, "calibration of the simulator")->type_name("P");
  app->add_option("--out", a->out, "write the plan to a file, for verify, simulate and export")->type_name("FILE");
  app->add_option("--program", a->program, "write the lowered program to a file, for verify and runtimes")->type_name("FILE");
  auto* repair = app->add_option("--repair", a->repair, "do what an old plan did, on this machine, which has lost links or GPUs of the old one")
                     ->type_name("FILE");
  for (const auto* other : {"--collective", "--size", "--algorithm", "--root", "--ranks", "--set", "--dtype"})
    repair->excludes(app->get_option(other));
  app->add_option("--deadline", a->deadline, "seconds to search; then the best plan so far, its gap stated (0: the first plan at hand)")
      ->check(CLI::Range(0.0, 86400.0))
      ->type_name("S");
  app->add_flag("--in-place", a->in_place, "input and output share memory");
  app->add_flag("--json", a->json, "print the figures as JSON");
  return {app, [a] { return plan(*a); }};
}

}  // namespace p2plab::cli
