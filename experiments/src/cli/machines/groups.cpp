// SPDX-License-Identifier: Apache-2.0
// p2plab groups: process groups that communicate at the same time, planned together.
#include <filesystem>
#include <iostream>
#include <set>

#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/command.h"
#include "groups/parts.h"
#include "p2plab/base/quantity.h"
#include "p2plab/experiment/process_groups.h"
#include "p2plab/program/plan_io.h"

namespace p2plab::cli {

namespace {

struct ProcessGroupsArguments {
  MachineArgument topology;
  std::string layout;
  std::vector<std::string> calls;
  std::string dtype = "float16";
  std::string profile;
  std::string out;
  bool relays = false;
  bool json = false;
  LimitArguments limits;
};

// "dp:all_reduce:64MiB", "0,1,4:all_to_all:1MiB", "dp:all_reduce:64MiB:ring".
Result<GroupCall> read_call(const std::string& text, const RankLayout& layout, const std::string& dtype, int ranks) {
  const auto parts = parts_of(text, ':');
  constexpr std::size_t with_algorithm = 4;
  if (parts.size() < 3 || parts.size() > with_algorithm)
    return Error{ErrorCode::usage,
                 "expected WHO:COLLECTIVE:SIZE or WHO:COLLECTIVE:SIZE:ALGORITHM",
                 std::nullopt,
                 {"as in dp:all_reduce:64MiB along a dimension of --layout, or 0,1,4:all_reduce:64MiB"}};
  GroupCall call{.name = parts[0], .groups = {}};
  const bool listed = !parts[0].empty() && parts[0].find_first_not_of("0123456789,") == std::string::npos;
  if (listed) {
    auto group = rank_list(parts[0], ranks);
    if (!group) return std::move(group).error();
    call.groups.push_back(*std::move(group));
  } else {
    auto groups = layout.groups(parts[0]);
    if (!groups) return std::move(groups).error();
    call.groups = *std::move(groups);
  }
  auto kind = collective_kind(parts[1]);
  if (!kind) return std::move(kind).error();
  call.kind = *kind;
  const auto size = parse_bytes(parts[2]);
  if (!size) return size.error();
  auto payload = payload_from(*size, dtype);
  if (!payload) return std::move(payload).error();
  call.payload = *payload;
  if (parts.size() == with_algorithm) call.algorithm.name = parts[3];
  if (auto known = known_algorithm(call.algorithm.name); !known) return std::move(known).error();
  return call;
}

Result<GroupCall> call_from(const std::string& text, const RankLayout& layout, const std::string& dtype, int ranks) {
  return read_option(fmt::format("--call '{}'", text).c_str(), read_call(text, layout, dtype, ranks));
}

// dp.0.json, dp.1.json, ...: what the first call's groups run, and so on; dp-2.0.json where an earlier call has that name.
Status write_plans(const ProcessGroupsPlan& plan, const std::vector<GroupCall>& calls, const std::string& folder, Watch& watch) {
  std::error_code fault;
  std::filesystem::create_directories(folder, fault);
  std::set<std::string> taken;
  for (std::size_t c = 0; c < calls.size(); ++c) {
    const auto& call = plan.calls[c];
    auto name = calls[c].name;
    for (int other = 2; !taken.insert(name).second; ++other) name = fmt::format("{}-{}", calls[c].name, other);
    for (std::size_t g = 0; g < call.groups.size(); ++g) {
      const auto path = fmt::format("{}/{}.{}.json", folder, name, g);
      if (auto ok = watch.write(path, write_plan({call.machines[g], call.groups[g].kept_plan(), call.groups[g].program.payload})); !ok) return ok;
    }
  }
  std::cerr << fmt::format("wrote the plan of each group to {}\n", folder);
  return {};
}

Status plan_groups(const ProcessGroupsArguments& arguments, Watch& watch) {
  const auto limit = limits_from(arguments.limits, watch);
  if (!limit) return limit.error();
  auto topology = topology_from(arguments.topology);
  if (!topology) return std::move(topology).error();
  RankLayout layout;
  if (!arguments.layout.empty()) {
    auto read = rank_layout(arguments.layout);
    if (!read) return std::move(read).error();
    layout = *std::move(read);
    if (layout.ranks() != topology->ranks())
      return Error{ErrorCode::usage, fmt::format("the layout has {} ranks, {} has {} GPUs", layout.ranks(), topology->name(), topology->ranks())};
  }
  std::vector<GroupCall> calls;
  for (const auto& text : arguments.calls) {
    auto call = call_from(text, layout, arguments.dtype, topology->ranks());
    if (!call) return std::move(call).error();
    calls.push_back(*std::move(call));
  }
  auto profile = profile_from(arguments.profile, *topology);
  if (!profile) return std::move(profile).error();
  if (auto able = afford_routes(topology->ranks(), watch); !able) return able;
  watch.showing(fmt::format("planning the groups of {}", topology->name()));
  ProcessGroupsOptions options{.relays = arguments.relays};
  const double for_the_rest = limit->value_or(Seconds{0}).count() / 4;
  if (*limit) options.stop = [&watch, for_the_rest] { return watch.time_left().value_or(Seconds{0}).count() <= for_the_rest; };
  const auto plan = plan_process_groups(*topology, *profile, calls, options);
  if (!plan) return plan.error();
  watch.finishing();
  Status written;
  if (!arguments.out.empty()) written = write_plans(*plan, calls, arguments.out, watch);
  return watch.print_after(std::move(written), arguments.json ? to_json(*plan, calls, *topology) : to_text(*plan, calls, *topology));
}

}  // namespace

Command groups_command(CLI::App& parent) {
  auto a = std::make_shared<ProcessGroupsArguments>();
  auto* app = add_command(parent, "groups", "Plan process groups that communicate at the same time",
                          "p2plab groups hgx-h100:nodes=4 --layout tp=8,dp=4 --call tp:all_reduce:1MiB --call dp:all_reduce:64MiB");
  add_machine_options(*app, a->topology, "--topology,topology", "a file or a preset, as in hgx-h100:nodes=4")->required();
  app->add_option("--layout", a->layout, "how ranks are numbered, the first dimension fastest: tp=8,dp=4")->type_name("LIST");
  app->add_option("--call", a->calls,
                  "dimensions of the layout, or ranks, with collective, size and perhaps a planner, as in ep+dp:all_reduce:64MiB; all begin at once")
      ->required()
      ->type_name("WHO:COLLECTIVE:SIZE");
  app->add_option("--dtype", a->dtype, "element type")->capture_default_str()->type_name("TYPE");
  app->add_option("--profile", a->profile, "calibration of the simulator (default: that of the machine's GPUs; ideal: none)")->type_name("P");
  app->add_option("--out", a->out, "write the plan of each group into a folder, for verify, simulate and export")->type_name("DIR");
  app->add_flag("--relays", a->relays, "GPUs outside of a group may pass its data on");
  app->add_flag("--json", a->json, "print as JSON");
  add_time_limit(*app, a->limits, "how long to look; then the best plans so far", "");
  add_memory_limit(*app, a->limits);
  return {app, [a](Watch& watch) { return plan_groups(*a, watch); }};
}

}  // namespace p2plab::cli
