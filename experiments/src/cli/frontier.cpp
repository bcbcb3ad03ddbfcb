// SPDX-License-Identifier: Apache-2.0
// p2plab frontier: few steps against few bytes.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/command.h"
#include "p2plab/base/quantity.h"
#include "p2plab/plan/frontier.h"

namespace p2plab::cli {

namespace {

struct FrontierArguments {
  MachineArgument topology;
  GroupArguments group;
  int chunks = 8;
  int steps = 0;
  LimitArguments limits = {.time = "60"};
  bool json = false;
};

// Payload bytes a second that a point allows where latency does not count.
double algbw_gbps(const FrontierPoint& point, const Frontier& found, const Collective& collective) {
  using enum CollectiveKind;
  const bool whole = collective.kind == all_reduce || collective.kind == broadcast || collective.kind == reduce || collective.kind == send_receive;
  const auto blocks = whole ? 1.0 : static_cast<double>(collective.members.size());
  return point.rounds == 0 ? 0 : blocks * found.unit.gbps() * point.chunks / point.rounds;
}

std::string json_of(const Frontier& found, const Collective& collective) {
  auto points = nlohmann::ordered_json::array();
  for (const auto& point : found.points) {
    points.push_back({{"chunks", point.chunks},
                      {"steps", point.steps},
                      {"rounds", point.rounds},
                      {"proved", point.proved},
                      {"most_chunks", point.most_chunks},
                      {"algbw_gbps", algbw_gbps(point, found, collective)}});
  }
  const nlohmann::ordered_json json{{"collective", to_string(collective.kind)},
                                    {"ranks", collective.members.size()},
                                    {"unit_gbps", found.unit.gbps()},
                                    {"exact", found.exact},
                                    {"least_steps", found.least_steps},
                                    {"least_ratio", found.least_ratio},
                                    {"complete", found.complete},
                                    {"seconds", found.time.count()},
                                    {"points", std::move(points)}};
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string text_of(const Frontier& found, const Collective& collective, const Topology& topology) {
  auto text = fmt::format("{} among {} ranks of {}: a round is one chunk over {}{}\n", to_string(collective.kind), collective.members.size(),
                          topology.name(), to_string(found.unit), found.exact ? "" : " (wider links rounded down)");
  text += fmt::format("  at least {} steps; at least {:.4g} rounds a chunk, whatever the steps\n", found.least_steps, found.least_ratio);
  text += fmt::format("  {:>6} {:>6} {:>6} {:>12} {:>11}\n", "chunks", "steps", "rounds", "algbw GB/s", "proved best");
  for (const auto& point : found.points) {
    text += fmt::format("  {:>6} {:>6} {:>6} {:>12.2f} {:>11}\n", point.chunks, point.steps, point.rounds, algbw_gbps(point, found, collective),
                        point.proved ? "yes" : (point.most_chunks > 0 ? fmt::format("or up to {}", point.most_chunks) : "no"));
  }
  return text + fmt::format("  searched for {:.2f} s{}\n", found.time.count(), found.complete ? "" : ", until time ran out");
}

Status print_frontier(const FrontierArguments& arguments, Watch& watch) {
  if (auto limits = limits_from(arguments.limits, watch); !limits) return std::move(limits).error();
  auto topology = topology_from(arguments.topology);
  if (!topology) return std::move(topology).error();
  auto collective = collective_from(arguments.group, topology->ranks());
  if (!collective) return std::move(collective).error();
  topology = machine_of(arguments.group, *topology);
  if (!topology) return std::move(topology).error();
  if (arguments.chunks < 1 || arguments.chunks > 64)
    return Error{ErrorCode::usage, fmt::format("--chunks must be from 1 to 64, got {}", arguments.chunks)};
  if (arguments.steps < 0 || arguments.steps > 64)
    return Error{ErrorCode::usage, fmt::format("--steps must be from 0 to 64, got {}", arguments.steps)};
  watch.showing(fmt::format("looking for plans of {}", to_string(collective->kind)));
  watch.stops_when_asked();
  constexpr Seconds usual{60};
  const FrontierOptions options{
      .most_chunks = arguments.chunks, .most_steps = arguments.steps, .time_limit = watch.time_left().value_or(usual), .stop = [&watch] {
        return watch.asked();
      }};
  auto found = frontier(*topology, *collective, options);
  if (!found) return std::move(found).error();
  watch.finishing();
  auto printed = watch.print(arguments.json ? json_of(*found, *collective) : text_of(*found, *collective, *topology));
  if (!printed || !watch.asked()) return printed;
  return Error{ErrorCode::interrupted, "interrupted: what was found by then is shown"};
}

}  // namespace

Command frontier_command(CLI::App& parent) {
  auto a = std::make_shared<FrontierArguments>();
  auto* app = add_command(parent, "frontier", "Plans that no other one beats in steps and bytes: chunks, steps, rounds",
                          "p2plab frontier dgx-v100 --collective all_gather");
  add_machine_options(*app, a->topology, "--topology,topology", "a file or a preset, as in hgx-h200:gpus=4")->required();
  add_group_options(*app, a->group);
  app->add_option("--chunks", a->chunks, "the most chunks a block, 1 to 64")->capture_default_str()->type_name("N");
  app->add_option("--steps", a->steps, "the most steps; 0: two more than the fewest")->capture_default_str()->type_name("N");
  add_time_limit(*app, a->limits, "how long to search; then what was found so far (default: 60)", "--seconds");
  add_memory_limit(*app, a->limits);
  app->add_flag("--json", a->json, "print as JSON");
  return {app, [a](Watch& watch) { return print_frontier(*a, watch); }};
}

}  // namespace p2plab::cli
