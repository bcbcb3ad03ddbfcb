// SPDX-License-Identifier: Apache-2.0
// p2plab simulate: how long a plan takes, on its own machine or another one, what kept it busy, and where the time went.
#include <algorithm>
#include <iostream>
#include <variant>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/command.h"
#include "p2plab/base/quantity.h"
#include "p2plab/experiment/evaluator.h"
#include "p2plab/machine/assumptions.h"
#include "p2plab/program/check.h"
#include "p2plab/program/plan_io.h"
#include "p2plab/segments/segments.h"
#include "p2plab/simulator/critical_path.h"
#include "p2plab/simulator/simulate.h"
#include "p2plab/simulator/trace.h"
#include "p2plab/simulator/utilisation.h"
#include "run/recordings.h"

namespace p2plab::cli {

namespace {

constexpr int heatmap_columns = 100;
constexpr std::int64_t most_explained_slices = 2'000'000;  // a recording takes about 200 bytes a slice

struct SimulateArguments {
  std::string plan;
  MachineArgument topology;
  std::string profile;
  std::string trace;
  std::string heatmap;
  std::string engine = "events";
  LimitArguments limits;
  bool stages = false;
  bool json = false;
  bool pictures() const { return !trace.empty() || !heatmap.empty(); }
};

// What a simulation said and why.
struct Simulation {
  const std::string& planner;
  const Program& program;
  const SimResult& result;
  SimEngine engine = SimEngine::events;
  std::string_view profile = {};
  std::optional<Interval> interval = std::nullopt;
  std::string_view interval_of = {};  // whose numbers at their ends give the interval
  std::optional<CriticalPath> path = std::nullopt;
  std::vector<SimTime> slack = {};
};

// The links and limits that were busy for the longest part of the time, busiest first.
std::vector<ResourceUse> busiest(const SimResult& result, std::size_t most) {
  auto uses = result.uses;
  std::ranges::stable_sort(uses, std::greater<>{}, &ResourceUse::busy);
  uses.resize(std::min(uses.size(), most));
  std::erase_if(uses, [](const ResourceUse& use) { return use.busy.count() == 0; });
  return uses;
}

double percent(SimTime part, SimTime whole) {
  return whole.count() > 0 ? 100.0 * static_cast<double>(part.count()) / static_cast<double>(whole.count()) : 0;
}
double us(SimTime time) { return microseconds(to_seconds(time)); }

nlohmann::ordered_json path_json(const Simulation& s) {
  nlohmann::ordered_json causes;
  for (std::size_t c = 0; c < path_causes; ++c) causes[std::string{to_string(static_cast<PathCause>(c))} + "_us"] = us(s.path->by_cause[c]);
  nlohmann::ordered_json json{{"causes", std::move(causes)}};
  const auto most = busiest_on(*s.path);
  if (most.resource >= 0)
    json["bottleneck"] = {
        {"name", s.result.uses[static_cast<std::size_t>(most.resource)].name}, {"us", us(most.time)}, {"queueing_us", us(most.queued)}};
  auto segments = nlohmann::ordered_json::array();
  for (const auto& segment : s.path->segments) {
    segments.push_back({{"cause", to_string(segment.cause)},
                        {"begin_us", us(segment.begin)},
                        {"end_us", us(segment.end)},
                        {"step", segment.step.value},
                        {"rank", segment.rank.value}});
    if (segment.resource >= 0) segments.back()["resource"] = s.result.uses[static_cast<std::size_t>(segment.resource)].name;
  }
  json["segments"] = std::move(segments);
  return json;
}

std::string json_of(const Simulation& s) {
  nlohmann::ordered_json links = nlohmann::ordered_json::array();
  for (const auto& use : busiest(s.result, s.result.uses.size()))
    links.push_back({{"name", use.name}, {"bytes", use.bytes.count()}, {"busy_us", us(use.busy)}});
  const auto time = to_seconds(s.result.period);
  nlohmann::ordered_json json{{"algorithm", s.planner},
                              {"collective", to_string(s.program.collective.kind)},
                              {"ranks", s.program.collective.members.size()},
                              {"engine", to_string(s.engine)},
                              {"size_bytes", s.program.payload.size().count()},
                              {"predicted_us", microseconds(time)},
                              {"profile", s.profile},
                              {"alone_us", us(s.result.makespan)},
                              {"algbw_gbps", (s.program.payload.size() / time).gbps()},
                              {"program_bound_us", us(s.result.bound)},
                              {"transfers", s.result.transfers},
                              {"events", s.result.events},
                              {"links", std::move(links)}};
  if (s.result.period_at_least < s.result.period) json["in_a_row_at_least_us"] = us(s.result.period_at_least);
  if (s.interval) {
    json["predicted_low_us"] = microseconds(s.interval->low);
    json["predicted_high_us"] = microseconds(s.interval->high);
  }
  if (s.path) {
    json["critical_path"] = path_json(s);
    auto slack = nlohmann::ordered_json::array();
    for (const auto time_left : s.slack) slack.push_back(us(time_left));
    json["slack_us"] = std::move(slack);
  }
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string explanation(const Simulation& s) {
  auto text = fmt::format("The time goes (critical path): {}\n", shares_of(*s.path));
  if (const auto most = busiest_on(*s.path); most.resource >= 0) {
    text += fmt::format("The bottleneck is {}: {:.1f} % of the time, of it {:.1f} % queueing\n",
                        s.result.uses[static_cast<std::size_t>(most.resource)].name, percent(most.time, s.result.makespan),
                        percent(most.queued, s.result.makespan));
  }
  if (s.slack.empty()) return text;
  const auto tight = std::ranges::count(s.slack, SimTime{0});
  return text + fmt::format("{} of {} steps have no slack; the most that any could be late without harm is {:.3f} us\n", tight, s.slack.size(),
                            us(*std::ranges::max_element(s.slack)));
}

std::string text_of(const Simulation& s) {
  const auto time = to_seconds(s.result.makespan);
  auto text = fmt::format("{} of {} with {} takes {:.3f} us, {:.2f} GB/s algbw ({} transfers; no run of this program can take less than {:.3f} us)\n",
                          to_string(s.program.collective.kind), to_string(s.program.payload.size()), s.planner, microseconds(time),
                          (s.program.payload.size() / time).gbps(), s.result.transfers, us(s.result.bound));
  text += fmt::format("Times by profile {}\n", s.profile);
  if (s.engine == SimEngine::path) text += "Engine path: the longest chain of waits or the busiest resource, no run is faster\n";
  if (s.engine == SimEngine::max_min) text += "Engine max-min: transfers that meet share what they meet at fairly\n";
  if (s.result.period != s.result.makespan)
    text += fmt::format("Of many calls in a row one begins every {:.3f} us: a rank that receives nothing goes on while its data is on its way\n",
                        us(s.result.period));
  if (s.result.period_at_least < s.result.period)
    text += fmt::format("Or every {:.3f} us, or between: ranks' leads did not settle in the calls played\n", us(s.result.period_at_least));
  if (s.interval)
    text += fmt::format("By {} from {:.3f} to {:.3f} us\n", s.interval_of, microseconds(s.interval->low), microseconds(s.interval->high));
  for (const auto& use : busiest(s.result, 5))
    text += fmt::format("  {:<32} busy {:>5.1f} %  {}\n", use.name, percent(use.busy, s.result.makespan), to_string(use.bytes));
  return s.path ? text + explanation(s) : text;
}

Status write_pictures(const SimulateArguments& arguments, const Topology& topology, const Simulation& s, Watch& watch) {
  Status traced;
  if (!arguments.trace.empty()) {
    traced = watch.write(arguments.trace, write_trace(topology, s.program, s.result));
    if (traced) std::cerr << fmt::format("wrote {}; open it in ui.perfetto.dev\n", arguments.trace);
  }
  if (arguments.heatmap.empty()) return traced;
  const auto heatmap = utilisation(s.result, heatmap_columns);
  auto drawn = watch.write(arguments.heatmap, arguments.heatmap.ends_with(".svg") ? to_svg(heatmap) : to_csv(heatmap));
  return traced ? std::move(drawn) : std::move(traced);
}

// What is simulated: a plan, lowered for its machine or another one, or a program as it is.
struct Simulated {
  std::string planner;
  Program program;
  std::shared_ptr<const ProvedPlan> proved = nullptr;  // of a plan that is not cut into stages
};

using PlanOrProgram = std::variant<PlanFile, ProgramFile>;
Status take_other_machine(PlanOrProgram& file, const SimulateArguments& arguments) {
  if (arguments.topology.empty()) return {};
  auto* plan = std::get_if<PlanFile>(&file);
  if (plan == nullptr) return Error{ErrorCode::usage, "--topology is for plans: a program's routes are links of the machine in its file"};
  auto other = topology_from(arguments.topology);
  if (!other) return std::move(other).error();
  if (other->ranks() != plan->topology.ranks()) {
    return in_file(
        {ErrorCode::invalid_input, fmt::format("this plan is for {} GPUs, {} has {}", plan->topology.ranks(), other->name(), other->ranks())},
        arguments.plan);
  }
  plan->topology = *std::move(other);
  return {};
}

// Where ranks do the same, one tells what all do, which is enough where too much happens to be told one by one.
Result<std::optional<Program>> long_folded(const Evaluator& evaluator, const ProvedPlan& proved, const PlanFile& file) {
  auto folded = evaluator.lowered_folded(proved, file.payload, file.plan.tuning);
  if (!folded || !*folded || slices_of(**folded) * (*folded)->images->images() <= most_explained_slices) return std::optional<Program>{};
  if (auto checked = evaluator.check(proved, **folded); !checked) return std::move(checked).error();
  return folded;
}

Result<Simulated> of_plan(const PlanFile& file, const Evaluator& evaluator, const SimulateArguments& arguments) {
  if (arguments.stages) {
    if (auto proof = verify(file.topology, file.plan.schedule, {.in_place = file.in_place}); !proof)
      return in_file(std::move(proof).error(), arguments.plan);
    auto cut = cut_at_servers(file.topology, file.plan.schedule, file.payload, file.plan.tuning, file.in_place);
    if (!cut) return std::move(cut).error();
    if (cut->servers.count() < 2) return Error{ErrorCode::usage, fmt::format("--stages is for several servers: {} is one", file.topology.name())};
    auto planner = fmt::format("{} in {} stages over {} servers", file.plan.planner, cut->stages.size(), cut->servers.count());
    return Simulated{std::move(planner), std::move(cut->joined)};
  }
  auto proved = evaluator.prove(file.plan, file.in_place);
  if (!proved) return in_file(std::move(proved).error(), arguments.plan);
  auto folded = arguments.pictures() ? Result{std::optional<Program>{}} : long_folded(evaluator, **proved, file);
  if (!folded) return std::move(folded).error();
  if (*folded) return Simulated{file.plan.planner, **std::move(folded), *proved};
  auto program = lower_checked(file.topology, file.plan.schedule, (*proved)->proof, file.payload, file.plan.tuning);
  if (!program) return std::move(program).error();
  return Simulated{file.plan.planner, *std::move(program), *proved};
}

Result<Simulated> subject_of(PlanOrProgram& file, const Evaluator& evaluator, const SimulateArguments& arguments) {
  if (const auto* plan = std::get_if<PlanFile>(&file)) return of_plan(*plan, evaluator, arguments);
  if (arguments.stages) return Error{ErrorCode::usage, "--stages is for plans: a program was lowered for one server"};
  return Simulated{"a program", std::move(std::get<ProgramFile>(file).program)};
}

// The interval, where the machine or the profile leaves one.
Status add_interval(Simulation& s, const Evaluator& evaluator) {
  const bool assumed = assumed_ends(evaluator.topology()).has_value();
  const bool measured = !evaluator.profile().numbers.empty();
  s.interval_of = !assumed    ? "the profile's intervals"
                  : !measured ? "what is assumed of the machine"
                              : "the profile's intervals, and what is assumed of the machine,";
  if (!assumed && !measured) return {};
  auto prediction = evaluator.predict(s.program);
  if (!prediction) return std::move(prediction).error();
  s.interval = prediction->interval;
  return {};
}

Status simulate_plan(const SimulateArguments& arguments, Watch& watch) {
  if (auto limits = limits_from(arguments.limits, watch); !limits) return std::move(limits).error();
  for (const auto* out : {&arguments.trace, &arguments.heatmap}) {
    if (auto able = try_out(*out); !able) return able;
  }
  auto file = plan_or_program_from(arguments.plan);
  if (!file) return std::move(file).error();
  if (auto taken = take_other_machine(*file, arguments); !taken) return taken;
  const auto topology = std::visit([](const auto& one) { return one.topology; }, *file);
  auto profile = profile_from(arguments.profile, topology);
  if (!profile) return std::move(profile).error();
  const auto engine = sim_engine(arguments.engine);
  if (!engine) return engine.error();
  const bool events = *engine == SimEngine::events;
  if (arguments.pictures() && !events)
    return Error{ErrorCode::usage, fmt::format("--trace and --heatmap need --engine events, found --engine {}", to_string(*engine))};
  // The file says in which form.
  const Evaluator evaluator(topology, *profile, {.engine = *engine, .forms = PlanForms::model});
  auto subject = subject_of(*file, evaluator, arguments);
  if (!subject) return std::move(subject).error();
  const auto& program = subject->program;
  constexpr std::int64_t a_slice = 8;  // bytes, at least
  const auto pieces = slices_of(program) + static_cast<std::int64_t>(program.lanes.size()) * program.tuning.blocks_per_lane;
  if (auto able = watch.afford(Bytes{pieces * a_slice}, fmt::format("simulating {} slices", pieces)); !able) return able;
  const bool record = events && !program.folded && (arguments.pictures() || slices_of(program) <= most_explained_slices);
  const auto resources = subject->proved ? subject->proved->resources_of(program) : nullptr;
  auto result = evaluator.simulate(program, {.engine = *engine, .record = record, .in_a_row = true, .resources = resources});
  if (!result) return std::move(result).error();
  Simulation s{subject->planner, program, *result, *engine, profile->name};
  if (record) {
    s.path = critical_path(topology, program, *profile, *result);
    s.slack = step_slack(topology, program, *profile, *result);
  }
  if (auto added = add_interval(s, evaluator); !added) return added;
  return watch.print_after(write_pictures(arguments, topology, s, watch), arguments.json ? json_of(s) : text_of(s));
}

}  // namespace

Command simulate_command(CLI::App& parent) {
  auto a = std::make_shared<SimulateArguments>();
  auto* app = add_command(parent, "simulate", "Predict how long a plan or a program takes, and where the time goes",
                          "p2plab simulate plan.json --trace trace.json\n         p2plab simulate plan.json --engine max-min");
  app->add_option("PLAN", a->plan, "a file that `p2plab plan` wrote with --out or --program")->required();
  add_machine_options(*app, a->topology, "--topology", "another machine than the plan's: a file or a preset");
  app->add_option("--profile", a->profile, "calibration of the simulator (default: that of the machine's GPUs; ideal: none)")->type_name("P");
  app->add_option("--trace", a->trace, "write what happened as a trace for ui.perfetto.dev")->type_name("FILE");
  app->add_option("--heatmap", a->heatmap, "write how busy each link was over time: a picture if FILE ends in .svg, else CSV")->type_name("FILE");
  app->add_option("--engine", a->engine,
                  "events: slice by slice, thread blocks served in turn; max-min: links shared fairly; path: the longest chain of "
                  "waits and the busiest resource only, a bound")
      ->capture_default_str()
      ->type_name("E");
  app->add_flag("--stages", a->stages,
                "over servers, as it runs there: segments of one server, then messages; without what launches and sends cost on their own");
  app->add_flag("--json", a->json, "print as JSON");
  add_memory_limit(*app, a->limits);
  return {app, [a](Watch& watch) { return simulate_plan(*a, watch); }};
}

}  // namespace p2plab::cli
