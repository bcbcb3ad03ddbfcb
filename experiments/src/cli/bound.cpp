// SPDX-License-Identifier: Apache-2.0
// p2plab bound: how fast a collective can be at best on a machine, and why.

#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/command.h"
#include "p2plab/base/quantity.h"
#include "p2plab/bounds/bounds.h"
#include "p2plab/machine/assumptions.h"
#include "p2plab/machine/topology_view.h"
#include "p2plab/simulator/collective_floor.h"
#include "plan/floors_json.h"
#include "report/assumed_json.h"

namespace p2plab::cli {

namespace {

struct BoundArguments {
  MachineArgument topology;
  GroupArguments group;
  std::string in_network;
  std::string multicast;
  std::string size;
  std::string dtype = "float32";
  std::string profile;
  LimitArguments limits;
  bool json = false;
};

std::vector<std::string> names_of(const Topology& topology, const std::vector<NodeId>& nodes) {
  std::vector<std::string> names;
  for (const auto id : nodes) names.push_back(topology.node(id).name);
  return names;
}

// The nodes of each part, where a partition is the proof.
std::vector<std::vector<std::string>> names_of_parts(const Topology& topology, const std::vector<int>& part) {
  std::map<int, std::vector<std::string>> parts;
  for (std::size_t v = 0; v < part.size(); ++v) parts[part[v]].push_back(topology.nodes()[v].name);
  std::vector<std::vector<std::string>> names;
  for (auto& [label, nodes] : parts) names.push_back(std::move(nodes));
  return names;
}

// What has a price, where prices are the proof.
nlohmann::ordered_json prices_of(const Topology& topology, const std::vector<std::int64_t>& prices) {
  auto json = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < prices.size(); ++i) {
    if (prices[i] > 0) json[topology.name_of(topology.limits()[i])] = prices[i];
  }
  return json;
}

// What one call of a size takes at least: by links alone, and by a profile.
struct OfSize {
  Bytes size{0};
  Seconds bound{0};
  std::string profile;
  std::vector<KindFloor> floors;
};

std::string text_of(const OfSize& call) {
  auto text = fmt::format("  {:<18}{:.2f} us at least, by links alone\n", to_string(call.size), microseconds(call.bound));
  for (const auto& floor : call.floors) {
    text += fmt::format("  {:<18}{:.2f} us at least by profile {}: {}\n", floor.kind == ProgramKind::copies ? "copied" : to_string(floor.kind),
                        microseconds(floor.time), call.profile, floor.because);
  }
  return text;
}

nlohmann::ordered_json json_of(const std::optional<OfSize>& call) {
  if (!call) return nullptr;
  return {{"size_bytes", call->size.count()},
          {"bound_us", microseconds(call->bound)},
          {"profile", call->profile},
          {"latency_bounds", floors_json(call->floors)}};
}

std::string json_of(const Topology& topology, const Bound& bound, const InNetwork& able, const AssumedRange& range,
                    const std::optional<OfSize>& call) {
  const nlohmann::ordered_json json{{"collective", to_string(bound.kind)},
                                    {"ranks", bound.members},
                                    {"algbw_gbps", number(bound.algbw_gbps())},
                                    {"inverse_rate", to_string(bound.inverse_rate)},
                                    {"cut", names_of(topology, bound.cut)},
                                    {"partition", names_of_parts(topology, bound.part)},
                                    {"prices", prices_of(topology, bound.prices)},
                                    {"latency_steps", bound.latency_steps},
                                    {"argument", bound.argument},
                                    {"attained", bound.attained},
                                    {"latency_us", microseconds(bound.latency)},
                                    {"fabric", fabric_words(topology)},
                                    {"rests_on", rests_on_json(range, "algbw_gbps")},
                                    {"also_assumed", also_assumed_json(range)},
                                    {"multicast", names_of(topology, able.multicast)},
                                    {"reduce", names_of(topology, able.reduce)},
                                    {"of_size", json_of(call)}};
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

constexpr std::size_t longest_exact = 12;  // a fraction that people read at a glance

std::string text_of(const Topology& topology, const Bound& bound, const InNetwork& able, const AssumedRange& range) {
  std::string text = fmt::format("{} among {} ranks of {}: at most {:.7g} GB/s algbw{}\n", to_string(bound.kind), bound.members, topology.name(),
                                 bound.algbw_gbps(), bound.attained ? ", which some schedule reaches" : "");
  const auto exact = to_string(bound.inverse_rate);
  const auto about = fmt::format("{:.6g}", bound.inverse_rate.value());
  text += fmt::format("  each GPU's byte   {} ns{} (links in GB/s)\n", exact.size() <= longest_exact ? exact : about,
                      exact.size() <= longest_exact ? "" : ", exactly " + exact);
  if (!bound.argument.empty()) text += fmt::format("  because           {}\n", bound.argument);
  if (!bound.cut.empty()) text += fmt::format("  cut               {}\n", set_of_names(topology, bound.cut));
  text += fmt::format("  fabric            {}\n", fabric_words(topology)) + rests_on_text(range, "GB/s");
  text += fmt::format("  latency           {} transfers one after another, {:.3f} us at least\n", bound.latency_steps, microseconds(bound.latency));
  if (!able.multicast.empty()) text += fmt::format("  multicast         {} may\n", set_of_names(topology, able.multicast));
  if (!able.reduce.empty()) text += fmt::format("  reduce            {} may; our executors use neither\n", set_of_names(topology, able.reduce));
  return text;
}

// Switches that --in-network and --multicast name.
Result<InNetwork> able_switches(const BoundArguments& arguments, const Topology& topology) {
  InNetwork able;
  if (!arguments.in_network.empty()) {
    auto both = switches_named(topology, arguments.in_network);
    if (!both) return both;
    able = *std::move(both);
  }
  if (!arguments.multicast.empty()) {
    auto more = switches_named(topology, arguments.multicast);
    if (!more) return more;
    able.multicast.insert(able.multicast.end(), more->multicast.begin(), more->multicast.end());
  }
  return able;
}

// Switches that multicast or reduce are no part of the cost model.
Result<std::optional<OfSize>> of_size(const BoundArguments& arguments, const Topology& topology, const Collective& collective, const Bound& bound) {
  if (arguments.size.empty()) return std::optional<OfSize>{};
  auto size = read_option("--size", parse_bytes(arguments.size));
  if (!size) return std::move(size).error();
  auto payload = payload_from(*size, arguments.dtype);
  if (!payload) return std::move(payload).error();
  auto profile = profile_from(arguments.profile, topology);
  if (!profile) return std::move(profile).error();
  return std::optional{
      OfSize{*size, lower_bound(bound, *payload), profile->name, collective_floors(topology, collective, bound, *payload, *profile)}};
}

Status print_bound(const BoundArguments& arguments, Watch& watch) {
  if (auto limits = limits_from(arguments.limits, watch); !limits) return std::move(limits).error();
  auto topology = topology_from(arguments.topology);
  if (!topology) return std::move(topology).error();
  auto collective = collective_from(arguments.group, topology->ranks());
  if (!collective) return std::move(collective).error();
  topology = machine_of(arguments.group, *topology);
  if (!topology) return std::move(topology).error();
  if (auto enough = afford_routes(topology->ranks(), watch); !enough) return enough;
  watch.showing(fmt::format("looking for the bound of {}", to_string(collective->kind)));
  auto able = able_switches(arguments, *topology);
  if (!able) return std::move(able).error();
  const auto& machine = *topology;
  const auto late = [&] { return watch.time_left() && watch.time_left()->count() <= 0; };
  auto found = bound(machine, *collective, *able, late);
  if (!found) return std::move(found).error();
  const bool cut_short = late();
  const auto range = rests_on(machine, [&](const Topology& other) -> std::optional<double> {
    if (cut_short) return std::nullopt;
    const auto moved = bound(other, *collective, *able, late);
    return moved && !late() ? std::optional{moved->algbw_gbps()} : std::nullopt;
  });
  const auto call = of_size(arguments, machine, *collective, *found);
  if (!call) return call.error();
  return watch.print(arguments.json ? json_of(machine, *found, *able, range, *call)
                                    : text_of(machine, *found, *able, range) + (*call ? text_of(**call) : std::string{}));
}

}  // namespace

Command bound_command(CLI::App& parent) {
  auto a = std::make_shared<BoundArguments>();
  auto* app =
      add_command(parent, "bound", "How fast a collective can be at best on a machine, and why", "p2plab bound dgx-v100 --collective all_gather");
  add_machine_options(*app, a->topology, "--topology,topology", "a file or a preset, as in hgx-h200:gpus=4")->required();
  add_group_options(*app, a->group);
  app->add_option("--in-network", a->in_network,
                  "switches that multicast and reduce, as NVLink SHARP does: all, kinds such as nvswitch, nodes; the bound with their help")
      ->type_name("LIST");
  app->add_option("--multicast", a->multicast, "further switches, which multicast only")->type_name("LIST");
  auto* size = app->add_option("--size", a->size, "nccl-tests' size of one call, as in '1 MiB': what it takes at least, latencies and bytes together")
                   ->type_name("S");
  app->add_option("--dtype", a->dtype, "element type")->capture_default_str()->type_name("TYPE")->needs(size);
  app->add_option("--profile", a->profile, "what launches, steps and flags cost (default: that of the machine's GPUs; ideal: none)")
      ->type_name("P")
      ->needs(size);
  for (const auto* other : {"--in-network", "--multicast"}) size->excludes(app->get_option(other));
  app->add_flag("--json", a->json, "print as JSON");
  add_time_limit(*app, a->limits, "how long to look for the bound", "");
  add_memory_limit(*app, a->limits);
  return {app, [a](Watch& watch) { return print_bound(*a, watch); }};
}

}  // namespace p2plab::cli
