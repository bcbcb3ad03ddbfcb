// SPDX-License-Identifier: Apache-2.0
// p2plab advise: from a description of a machine, or the machine itself, to the answer in one screen.
#include <algorithm>
#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/machines/machine_report.h"
#include "cli/watch.h"
#include "config/topology_source.h"
#include "p2plab/base/quantity.h"
#include "p2plab/experiment/planning.h"
#include "p2plab/machine/assumptions.h"
#include "p2plab/machine/fabric.h"
#include "p2plab/machine/mask.h"
#include "p2plab/machine/topology_view.h"
#include "report/assumed_json.h"
#include "report/text_table.h"

namespace p2plab::cli {

namespace {

struct AdviseArguments {
  MachineArgument machine;
  int gpus = 0;
  std::string profile;
  std::string dtype = "float16";
  bool json = false;
  LimitArguments limits;
};

// The plan that is predicted fastest at one size.
struct Expected {
  Bytes size;
  std::string algorithm;
  Seconds time{0};
  double busbw = 0;
  std::optional<Interval> interval = std::nullopt;
};

struct Advice {
  Topology machine;
  Placement best;
  std::size_t kinds = 1;
  bool all_kinds = true;
  double bound_busbw = 0;
  std::string profile = {};  // by which times are predicted
  AssumedRange range;
  std::vector<std::string> odd = {};
  std::vector<Expected> sizes = {};
};

Result<Topology> machine_from(const AdviseArguments& arguments, std::vector<std::string>* warnings) {
  return arguments.machine.empty() ? detect_topology(warnings) : resolve_machine(arguments.machine, warnings);
}

std::string words_of(const Advice& advice, const AdviseArguments& arguments);

// What is known so far is the advice if the watch ends the work.
void keep(const Advice& advice, const AdviseArguments& arguments, Watch& watch) {
  watch.keep([&watch, text = words_of(advice, arguments)](const std::string&) { return watch.print(text); });
}

// Fills in the sizes; each takes its part of the time that is left.
Status expect(const Topology& job, const AdviseArguments& arguments, std::optional<Seconds> limit, Watch& watch, Advice& advice) {
  auto profile = profile_from(arguments.profile, job);
  if (!profile) return std::move(profile).error();
  auto type = data_type(arguments.dtype);
  if (!type) return std::move(type).error();
  advice.profile = profile->name;
  const Evaluator evaluator(job, *profile);
  const auto collective = make_collective(CollectiveKind::all_reduce, job.ranks());
  constexpr int sizes = 7;
  auto size = 1_KiB;
  for (int s = 0; s < sizes; ++s, size = size * 8) {
    const auto payload = payload_of(size, *type, ReduceOp::sum);
    PlanningOptions options;
    constexpr double to_search = 0.75;  // the rest is for predicting what was found
    if (limit) options.time_limit = to_search / (sizes - s) * watch.time_left().value_or(Seconds{0});
    auto evaluation = plan_one(evaluator, {.name = "auto"}, collective, payload, options);
    if (!evaluation) return std::move(evaluation).error();
    Expected one{.size = size, .algorithm = evaluation->plan().planner, .time = evaluation->prediction.time};
    one.busbw = static_cast<double>(size.count()) / one.time.count() * 1e-9 * bus_factor(CollectiveKind::all_reduce, job.ranks());
    const auto prediction = evaluator.predict(evaluation->program);
    if (prediction && prediction->interval) one.interval = *prediction->interval;
    advice.sizes.push_back(std::move(one));
    keep(advice, arguments, watch);
  }
  return {};
}

// What was assumed stands with the numbers; the rest of what an importer warns of is odd.
bool is_odd(const std::string& warning) { return warning.find("; assumed: ") == std::string::npos; }

std::string number_of(std::size_t count, const std::string& what) { return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s"); }

Result<Advice> advise(const AdviseArguments& arguments, std::optional<Seconds> limit, Watch& watch) {
  std::vector<std::string> warnings;
  auto machine = machine_from(arguments, &warnings);
  if (!machine) return std::move(machine).error();
  if (auto able = afford_routes(machine->ranks(), watch); !able) return std::move(able).error();
  watch.showing(fmt::format("looking at {}", machine->name()));
  const int gpus = arguments.gpus > 0 ? arguments.gpus : machine->ranks();
  constexpr double for_sizes = 0.6;  // of the time
  bool early = false;
  auto placements = place(*machine, gpus, CollectiveKind::all_reduce, [&](const Placement&, std::size_t left) {
    early = left > 0 && limit && watch.time_left().value_or(Seconds{0}).count() <= for_sizes * limit->count();
    return early;
  });
  if (!placements) return std::move(placements).error();
  const auto best = placements->front();
  Advice advice{*std::move(machine), best, placements->size(), !early, best.busbw_gbps, {}, {}, {}};
  keep(advice, arguments, watch);
  advice.odd = oddity_lines(advice.machine);
  std::ranges::copy_if(warnings, std::back_inserter(advice.odd), is_odd);
  keep(advice, arguments, watch);
  const auto job_on = [&](const Topology& whole) -> Result<Topology> {
    auto kept = keep_gpus(whole, best.gpus);
    return kept ? peer_links(*kept) : kept;
  };
  auto job = job_on(advice.machine);
  if (!job) return std::move(job).error();
  advice.range = rests_on(advice.machine, [&](const Topology& other) -> std::optional<double> {
    const auto moved = job_on(other);
    if (!moved) return std::nullopt;
    const auto found = bound(*moved, make_collective(CollectiveKind::all_reduce, gpus));
    return found ? std::optional{found->algbw_gbps() * bus_factor(CollectiveKind::all_reduce, gpus)} : std::nullopt;
  });
  if (gpus > 1) {
    if (auto done = expect(*job, arguments, limit, watch, advice); !done) return std::move(done).error();
  }
  return advice;
}

bool refuses_peers(const Topology& machine) {
  for (const auto& value : machine.sources().values) {
    if (value.what.starts_with("peer access") && value.value.starts_with("none")) return true;
  }
  return false;
}

// Commands and settings that follow.
std::vector<std::string> to_do(const Advice& advice, const AdviseArguments& arguments) {
  const auto name = arguments.machine.empty() ? std::string{"MACHINE.yaml"} : arguments.machine.name;
  std::vector<std::string> lines{"export CUDA_DEVICE_ORDER=PCI_BUS_ID " +
                                 fmt::format("CUDA_VISIBLE_DEVICES={}", fmt::join(gpu_numbers(advice.machine, advice.best), ","))};
  if (refuses_peers(advice.machine))
    lines.emplace_back("NCCL finds no peer access and goes through host memory by itself: NCCL_P2P_DISABLE need not be set");
  lines.push_back(
      fmt::format("p2plab tune --topology '{}' --gpu --out tuned.yaml    a plan for each size, for our executors and for p2plab export", name));
  if (arguments.machine.empty()) lines.emplace_back("p2plab topo detect --out MACHINE.yaml    this machine as a file, for the line above");
  return lines;
}

std::string table_of(const std::vector<Expected>& sizes) {
  TextTable table({{"  from"}, {"algorithm"}, {"us", TextTable::Align::right}, {"interval"}, {"busbw GB/s", TextTable::Align::right}});
  for (const auto& one : sizes) {
    const auto interval =
        one.interval ? fmt::format("{:.2f} to {:.2f}", microseconds(one.interval->low), microseconds(one.interval->high)) : std::string{"-"};
    table.add({"  " + to_string(one.size), one.algorithm, fmt::format("{:.2f}", microseconds(one.time)), interval, fmt::format("{:.2f}", one.busbw)});
  }
  return table.text({});
}

std::string text_of(const Advice& advice, const AdviseArguments& arguments) {
  const auto gpus = advice.best.gpus.size();
  auto text = fmt::format("{}: {} over {}\n", advice.machine.name(), number_of(static_cast<std::size_t>(advice.machine.ranks()), "GPU"),
                          fabric_words(advice.machine));
  text += "\nOdd\n";
  for (const auto& line : advice.odd) text += fmt::format("  {}\n", line);
  if (advice.odd.empty()) text += "  nothing: alike parts are alike\n";
  text += fmt::format("\nWhich {}\n  {} in rank order ({} of choice weighed{})\n", number_of(gpus, "GPU"),
                      fmt::join(gpu_numbers(advice.machine, advice.best), ","), number_of(advice.kinds, "kind"),
                      advice.all_kinds ? "" : " in the time; others may be better");
  if (gpus > 1) {
    text += fmt::format("\nWhat to expect of all-reduce, {}, by profile {}: at most {:.1f} GB/s busbw\n", arguments.dtype, advice.profile,
                        advice.bound_busbw);
    text += rests_on_text(advice.range, "GB/s busbw");
    text += table_of(advice.sizes);
  } else {
    text += "\nWhat to expect: one GPU has nobody to send to\n";
  }
  text += "\nWhat to set or load\n";
  for (const auto& line : to_do(advice, arguments)) text += fmt::format("  {}\n", line);
  return text + sources_text(advice.machine);
}

std::string json_of(const Advice& advice, const AdviseArguments& arguments) {
  using Json = nlohmann::ordered_json;
  auto sizes = Json::array();
  for (const auto& one : advice.sizes) {
    sizes.push_back(
        {{"size_bytes", one.size.count()}, {"algorithm", one.algorithm}, {"predicted_us", microseconds(one.time)}, {"busbw_gbps", one.busbw}});
    if (one.interval) sizes.back()["interval_us"] = {microseconds(one.interval->low), microseconds(one.interval->high)};
  }
  auto sources = Json::array();
  for (const auto& value : advice.machine.sources().values)
    sources.push_back(
        {{"what", value.what}, {"value", value.value}, {"origin", to_string(value.origin)}, {"source", value.source}, {"key", value.key}});
  const Json json{{"machine", advice.machine.name()},
                  {"ranks", advice.machine.ranks()},
                  {"fabric", fabric_words(advice.machine)},
                  {"odd", advice.odd},
                  {"gpus", gpu_numbers(advice.machine, advice.best)},
                  {"all_choices_weighed", advice.all_kinds},
                  {"bound_busbw_gbps", advice.bound_busbw},
                  {"profile", advice.profile},
                  {"rests_on", rests_on_json(advice.range, "busbw_gbps")},
                  {"also_assumed", also_assumed_json(advice.range)},
                  {"expect", std::move(sizes)},
                  {"set", to_do(advice, arguments)},
                  {"sources", std::move(sources)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string words_of(const Advice& advice, const AdviseArguments& arguments) {
  return arguments.json ? json_of(advice, arguments) : text_of(advice, arguments);
}

Status print_advice(const AdviseArguments& arguments, Watch& watch) {
  const auto limit = limits_from(arguments.limits, watch);
  if (!limit) return limit.error();
  const auto advice = advise(arguments, *limit, watch);
  if (!advice) return advice.error();
  watch.finishing();
  return watch.print(words_of(*advice, arguments));
}

}  // namespace

Command advise_command(CLI::App& parent) {
  auto a = std::make_shared<AdviseArguments>();
  auto* app = add_command(parent, "advise", "What is odd, which GPUs to take, what to expect, what to set, what was assumed: one screen",
                          "p2plab advise topo.txt --machine gpu=l40s --gpus 4");
  add_machine_options(*app, a->machine, "machine", "a file or a preset (default: this machine)");
  app->add_option("--gpus", a->gpus, "how many GPUs the job takes (default: all)")->check(CLI::PositiveNumber)->type_name("K");
  app->add_option("--profile", a->profile, "calibration of the simulator (default: that of the machine's GPUs; ideal: none)")->type_name("P");
  app->add_option("--dtype", a->dtype, "element type")->capture_default_str()->type_name("TYPE");
  app->add_flag("--json", a->json, "print as JSON");
  add_time_limit(*app, a->limits, "how long to look; then what is known by then", "");
  add_memory_limit(*app, a->limits);
  return {app, [a](Watch& watch) { return print_advice(*a, watch); }};
}

}  // namespace p2plab::cli
