// p2plab simulate: how long a plan takes, on its own machine or another one, and what kept it busy.
#include <algorithm>
#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "arguments.h"
#include "command.h"
#include "p2plab/lower.h"
#include "p2plab/plan_io.h"
#include "p2plab/presets.h"
#include "p2plab/quantity.h"
#include "p2plab/simulate.h"
#include "p2plab/trace.h"

namespace p2plab::cli {

namespace {

struct SimulateArguments {
  std::string plan;
  std::string topology;
  std::string profile;
  std::string trace;
  bool json = false;
};

// The links and limits that were busy for the longest part of the time, busiest first.
std::vector<ResourceUse> busiest(const SimResult& result, std::size_t most) {
  auto uses = result.uses;
  std::ranges::stable_sort(uses, std::greater<>{}, &ResourceUse::busy);
  uses.resize(std::min(uses.size(), most));
  std::erase_if(uses, [](const ResourceUse& use) { return use.busy.count() == 0; });
  return uses;
}

double percent(SimTime part, SimTime whole) { return whole.count() > 0 ? 100.0 * static_cast<double>(part.count()) / static_cast<double>(whole.count()) : 0; }

std::string json_of(const PlanFile& file, const Program& program, const SimResult& result) {
  nlohmann::ordered_json links = nlohmann::ordered_json::array();
  for (const auto& use : busiest(result, result.uses.size())) {
    links.push_back({{"name", use.name}, {"bytes", use.bytes.count()}, {"busy_us", microseconds(to_seconds(use.busy))}});
  }
  const auto time = to_seconds(result.makespan);
  const nlohmann::ordered_json json{{"algorithm", file.plan.planner}, {"collective", to_string(program.collective.kind)},
                                    {"ranks", program.collective.members.size()}, {"size_bytes", file.payload.size().count()},
                                    {"predicted_us", microseconds(time)}, {"algbw_gbps", (file.payload.size() / time).gbps()},
                                    {"program_bound_us", microseconds(to_seconds(result.bound))}, {"transfers", result.transfers},
                                    {"events", result.events}, {"links", std::move(links)}};
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string text_of(const PlanFile& file, const Program& program, const SimResult& result) {
  const auto time = to_seconds(result.makespan);
  auto text = fmt::format("{} of {} with {} takes {:.3f} us, {:.2f} GB/s algbw ({} transfers; no run of this program can take less than {:.3f} us)\n",
                          to_string(program.collective.kind), to_string(file.payload.size()), file.plan.planner, microseconds(time),
                          (file.payload.size() / time).gbps(), result.transfers, microseconds(to_seconds(result.bound)));
  for (const auto& use : busiest(result, 5)) {
    text += fmt::format("  {:<32} busy {:>5.1f} %  {}\n", use.name, percent(use.busy, result.makespan), to_string(use.bytes));
  }
  return text;
}

Status simulate_plan(const SimulateArguments& arguments) {
  auto file = load_plan(arguments.plan);
  if (!file) return std::move(file).error();
  if (!arguments.topology.empty()) {
    auto other = resolve_topology(arguments.topology);
    if (!other) return std::move(other).error();
    file->topology = *std::move(other);
  }
  auto profile = profile_from(arguments.profile);
  if (!profile) return std::move(profile).error();
  const Routes routes(file->topology);
  auto proof = verify(file->topology, routes, file->plan.schedule, {.in_place = file->in_place});
  if (!proof) return std::move(proof).error();
  auto program = lower(file->plan.schedule, *proof, file->payload, file->plan.tuning);
  if (!program) return std::move(program).error();
  auto result = simulate(file->topology, routes, *program, *profile, {.steps = false, .record = !arguments.trace.empty()});
  if (!result) return std::move(result).error();
  if (!arguments.trace.empty()) {
    if (auto ok = write_text(arguments.trace, write_trace(file->topology, *program, *result)); !ok) return ok;
    std::cerr << fmt::format("wrote {}; open it in ui.perfetto.dev\n", arguments.trace);
  }
  std::cout << (arguments.json ? json_of(*file, *program, *result) : text_of(*file, *program, *result));
  return {};
}

}  // namespace

Command simulate_command(CLI::App& parent) {
  auto a = std::make_shared<SimulateArguments>();
  auto* app = add_command(parent, "simulate", "Predict how long a plan file takes, and what keeps it busy", "p2plab simulate plan.json --trace trace.json");
  app->add_option("PLAN", a->plan, "a file that `p2plab plan --out` wrote")->required();
  app->add_option("--topology", a->topology, "another machine than the plan's: a file or a preset")->type_name("T");
  app->add_option("--profile", a->profile, "calibration of the simulator")->type_name("P");
  app->add_option("--trace", a->trace, "write what happened as a trace for ui.perfetto.dev")->type_name("FILE");
  app->add_flag("--json", a->json, "print as JSON");
  return {app, [a] { return simulate_plan(*a); }};
}

}  // namespace p2plab::cli
