// SPDX-License-Identifier: Apache-2.0
// p2plab place: which GPUs of a machine to take for a job, and in which order to number them.
#include <cmath>
#include <iostream>
#include <memory>
#include <mutex>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/machines/hosts.h"
#include "cli/machines/machine_report.h"
#include "cli/machines/place_groups.h"
#include "cli/machines/place_model.h"
#include "cli/watch.h"
#include "p2plab/bounds/place.h"
#include "p2plab/machine/assumptions.h"
#include "p2plab/machine/fabric.h"
#include "p2plab/machine/mask.h"
#include "p2plab/segments/place_servers.h"
#include "report/assumed_json.h"
#include "report/text_table.h"

namespace p2plab::cli {

namespace {

struct PlaceArguments {
  MachineArgument topology;
  int gpus = 0;
  std::string groups;
  std::string hosts;
  std::string hostfile;
  ModelQuestion model;
  std::string collective = "all_reduce";
  int top = 10;
  bool json = false;
  LimitArguments limits;
};

// The kinds that were weighed; the watch may ask for them while the work goes on.
class SoFar {
 public:
  void add(const Placement& one) {
    const std::lock_guard lock(mutex_);
    all_.push_back(one);
  }
  std::vector<Placement> best_first() const {
    const std::lock_guard lock(mutex_);
    auto all = all_;
    std::ranges::stable_sort(all, taken_before);
    return all;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Placement> all_;
};

// To what fits a table; JSON has all.
std::string shortened(const std::string& text) {
  constexpr std::size_t most = 60;
  return text.size() <= most ? text : text.substr(0, text.rfind(',', most)) + ",...";
}

std::string visible(const std::vector<int>& numbers) { return fmt::format("CUDA_VISIBLE_DEVICES={}", fmt::join(numbers, ",")); }

nlohmann::ordered_json json_of(const Topology& topology, const Placement& placement, int gpus) {
  return {{"gpus", gpu_numbers(topology, placement)},
          {"busbw_gbps", std::round(placement.busbw_gbps * 1e6) / 1e6},
          {"connected", placement.busbw_gbps > 0 || gpus == 1},
          {"alike", placement.alike},
          {"latency_ns", std::round(placement.latency.count() * 1e12) / 1e3},
          {"hops", std::round(placement.hops * 1e3) / 1e3},
          {"relayed_pairs", placement.relayed},
          {"cuda_visible_devices", fmt::format("{}", fmt::join(gpu_numbers(topology, placement), ","))}};
}

// What is printed; the odd takes longer than the rest on some machines, so it is looked for last.
struct Placed {
  std::vector<Placement> placements;
  AssumedRange range = {};
  std::vector<std::string> odd = {};
  bool complete = true;
  std::optional<Hosts> hosts = std::nullopt;  // of several servers
  bool each = true;                           // every kind of set was weighed, not those of servers near each other alone
};

std::string text_of(const PlaceArguments& arguments, const Topology& topology, const Placed& placed) {
  const auto& placements = placed.placements;
  TextTable table({{"GPUs in rank order"},
                   {"busbw GB/s", TextTable::Align::right},
                   {"way ns", TextTable::Align::right},
                   {"links", TextTable::Align::right},
                   {"alike", TextTable::Align::right}});
  const auto shown = std::min(placements.size(), static_cast<std::size_t>(arguments.top));
  std::int64_t cut_off = 0;
  for (std::size_t i = 0; i < placements.size(); ++i) {
    const auto& one = placements[i];
    const bool apart = one.busbw_gbps == 0 && arguments.gpus > 1;
    if (apart) cut_off += one.alike;
    if (i >= shown) continue;
    const auto busbw = apart ? "not joined" : fmt::format("{:.3f}", one.busbw_gbps);
    const auto numbers = gpu_numbers(topology, one);
    table.add({placed.hosts ? shortened(number_ranges(numbers)) : fmt::format("{}", fmt::join(numbers, ",")), busbw,
               fmt::format("{:.0f}", one.latency.count() * 1e9), fmt::format("{:.3g}", one.hops), fmt::format("{}", one.alike)});
  }
  auto text = fmt::format("{} GPUs of {} for {}, best first; alike: {}\n", arguments.gpus, topology.name(), arguments.collective,
                          placed.each ? "subsets that a symmetry of the machine makes the same" : "sets around other servers that look the same") +
              table.text();
  if (shown < placements.size()) text += fmt::format("and {} more kinds (--top {} shows all)\n", placements.size() - shown, placements.size());
  if (cut_off > 0) text += fmt::format("{} subsets have GPUs that cannot reach each other\n", cut_off);
  if (placed.hosts) {
    text += fmt::format("best, in the order of ranks (CUDA_DEVICE_ORDER=PCI_BUS_ID):\n{}", ranks_by_host(*placed.hosts, placements.front()));
  } else {
    text += fmt::format("best: {} (CUDA_DEVICE_ORDER=PCI_BUS_ID; rank r is the r-th)\n", visible(gpu_numbers(topology, placements.front())));
  }
  for (const auto& line : placed.odd) text += fmt::format("odd: {}\n", line);
  return text + rests_on_text(placed.range, "GB/s busbw");
}

// The bus bandwidth of these GPUs, for the numbers that it rests on.
AssumedRange rests_on_best(const Topology& topology, const Placement& best, CollectiveKind kind) {
  const auto count = static_cast<int>(best.gpus.size());
  return rests_on(topology, [&](const Topology& other) -> std::optional<double> {
    auto kept = keep_gpus(other, best.gpus);
    if (kept) kept = peer_links(*kept);
    if (!kept) return std::nullopt;
    const auto found = bound(*kept, make_collective(kind, count));
    return found ? std::optional{found->algbw_gbps() * bus_factor(kind, count)} : std::nullopt;
  });
}

Status print_groups(const PlaceArguments& arguments, const Topology& topology, const Hosts& hosts, CollectiveKind kind, Watch& watch) {
  const auto groups = groups_from(arguments.groups);
  if (!groups) return groups.error();
  const auto placements = place_groups(topology, groups->size, groups->count, kind);
  if (!placements) return placements.error();
  std::vector<int> all;
  Placement in_order;
  auto list = nlohmann::ordered_json::array();
  auto text = fmt::format("{} groups of {} GPUs of {}, fastest inside\n", groups->count, groups->size, topology.name());
  for (const auto& group : *placements) {
    const auto numbers = gpu_numbers(topology, group);
    all.insert(all.end(), numbers.begin(), numbers.end());
    in_order.gpus.insert(in_order.gpus.end(), group.gpus.begin(), group.gpus.end());
    list.push_back(json_of(topology, group, groups->size));
    text += fmt::format("  {}: {:.3f} GB/s busbw inside\n", fmt::join(numbers, ","), group.busbw_gbps);
  }
  const auto which =
      fmt::format("CUDA_DEVICE_ORDER=PCI_BUS_ID; group g is ranks g x {} to g x {} + {}", groups->size, groups->size, groups->size - 1);
  if (hosts.servers.count() > 1) {
    text += fmt::format("in the order of ranks ({}):\n{}", which, ranks_by_host(hosts, in_order));
  } else {
    text += fmt::format("{} ({})\n", visible(all), which);
  }
  const nlohmann::ordered_json json{
      {"collective", arguments.collective}, {"groups", std::move(list)}, {"cuda_visible_devices", fmt::format("{}", fmt::join(all, ","))}};
  return watch.print(arguments.json ? json.dump(2) + "\n" : text);
}

Status print_groups_for(const PlaceArguments& arguments, const Topology& topology, Watch& watch) {
  auto question = arguments.model;
  question.json = arguments.json;
  question.gpu = arguments.topology.name;
  for (const auto& answer : arguments.topology.answers) {
    if (answer.starts_with("gpu=")) question.gpu = answer.substr(4);
  }
  auto text = recommend_groups(topology, question);
  if (!text) return std::move(text).error();
  return watch.print(*text);
}

Status give(const PlaceArguments& arguments, const Topology& machine, const Placed& placed, Watch& watch) {
  if (!arguments.json) return watch.print(text_of(arguments, machine, placed));
  nlohmann::ordered_json json{
      {"collective", arguments.collective}, {"gpus", arguments.gpus}, {"complete", placed.complete}, {"placements", nlohmann::ordered_json::array()}};
  for (const auto& placement : placed.placements) json["placements"].push_back(json_of(machine, placement, arguments.gpus));
  if (placed.hosts) {
    auto hosts = nlohmann::ordered_json::array();
    for (const auto rank : placed.placements.front().gpus)
      hosts.push_back(placed.hosts->names[static_cast<std::size_t>(placed.hosts->servers.of[rank.index()])]);
    json["hosts"] = std::move(hosts);
  }
  json["odd"] = placed.odd;
  json["rests_on"] = rests_on_json(placed.range, "busbw_gbps");
  json["also_assumed"] = also_assumed_json(placed.range);
  return watch.print(json.dump(2) + "\n");
}

Status print_placements(const PlaceArguments& arguments, Watch& watch) {
  const auto limit = limits_from(arguments.limits, watch);
  if (!limit) return limit.error();
  if (auto able = try_out(arguments.hostfile); !able) return able;
  const int asked = (arguments.gpus != 0 ? 1 : 0) + (arguments.groups.empty() ? 0 : 1) + (arguments.model.model.empty() ? 0 : 1);
  if (asked != 1) return Error{ErrorCode::usage, "give one of --gpus, --groups and --model"};
  auto topology = topology_from(arguments.topology);
  if (!topology) return std::move(topology).error();
  if (!arguments.model.model.empty()) return print_groups_for(arguments, *topology, watch);
  auto kind = collective_kind(arguments.collective);
  if (!kind) return std::move(kind).error();
  const auto& machine = *topology;
  if (auto able = afford_routes(machine.ranks(), watch); !able) return able;
  watch.showing(fmt::format("weighing sets of GPUs of {}", machine.name()));
  const auto hosts = hosts_of(machine, arguments.hosts);
  if (!hosts) return hosts.error();
  if (!arguments.groups.empty()) return print_groups(arguments, machine, *hosts, *kind, watch);
  const auto of_several = hosts->servers.count() > 1 ? std::optional{*hosts} : std::nullopt;
  // What is kept may be asked for after this has ended.
  const auto kept = std::make_shared<const Topology>(machine);
  // Of several servers few sets are alike where one of them has lost something, and each is weighed with its network.
  constexpr std::int64_t most_over_servers = 1000;
  const bool each = !of_several || has_few_sets(machine.ranks(), arguments.gpus, most_over_servers);
  const auto so_far = std::make_shared<SoFar>();
  bool early = false;
  const double left_for_the_rest = limit->value_or(Seconds{0}).count() / 4;
  const Weighed weighed = [&](const Placement& one, std::size_t left) {
    so_far->add(one);
    watch.keep([&arguments, &watch, kept, so_far, of_several, each, left](const std::string&) {
      return give(arguments, *kept, {.placements = so_far->best_first(), .complete = left == 0, .hosts = of_several, .each = each}, watch);
    });
    early = left > 0 && limit->has_value() && watch.time_left().value_or(Seconds{0}).count() <= left_for_the_rest;
    return early;
  };
  auto placements = each ? place(machine, arguments.gpus, *kind, weighed) : place_on_servers(machine, arguments.gpus, *kind, weighed);
  if (!placements) {
    watch.finishing();
    return std::move(placements).error();
  }
  if (early) std::cerr << fmt::format("note: the time was enough to weigh {} kinds of sets; others may be better\n", placements->size());
  Placed placed{.placements = *std::move(placements), .complete = !early, .each = each};
  placed.range = rests_on_best(machine, placed.placements.front(), *kind);
  placed.odd = oddity_lines(machine);
  placed.hosts = of_several;
  watch.finishing();
  Status written;
  if (!arguments.hostfile.empty()) written = watch.write(arguments.hostfile, hostfile(*hosts, placed.placements.front()));
  auto given = give(arguments, machine, placed, watch);
  return written ? std::move(given) : std::move(written);
}

}  // namespace

Command place_command(CLI::App& parent) {
  auto a = std::make_shared<PlaceArguments>();
  auto* app = add_command(parent, "place", "Which GPUs of a machine to take for a job, and in which order", "p2plab place dgx-v100 --gpus 4");
  add_machine_options(*app, a->topology, "--topology,topology", "a file or a preset, as in hgx-h200:gpus=4")->required();
  app->add_option("--gpus", a->gpus, "how many GPUs to take")->type_name("K");
  app->add_option("--hosts", a->hosts, "names of the servers' hosts in their order, as in node[01-04]")->type_name("LIST");
  app->add_option("--hostfile", a->hostfile, "write the host of each rank of the best set, for SLURM_HOSTFILE and for mpirun --hostfile")
      ->type_name("FILE");
  app->add_option("--groups", a->groups, "several groups, fast inside: tp=4,pp=2 are two groups of four")->type_name("LIST");
  app->add_option("--model", a->model.model, "recommend the tensor-parallel size for a model: llama-70b, ..., or its config.json")->type_name("M");
  app->add_option("--batch", a->model.batch, "with --model: sequences decoded together")->capture_default_str()->check(CLI::Range(1, 65536));
  app->add_option("--context", a->model.context, "with --model: tokens that each sequence holds")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 24));
  app->add_option("--bits", a->model.bits, "with --model: of a weight")->capture_default_str()->check(CLI::IsMember({4, 8, 16}));
  app->add_option("--memory", a->model.memory_gb, "with --model: GB of a GPU (default: by its name)")->check(CLI::PositiveNumber);
  app->add_option("--profile", a->model.profile, "with --model: calibration of the simulator (default: that of the machine's GPUs; ideal: none)")
      ->type_name("P");
  app->add_option("--collective", a->collective, "what to rank them by")->capture_default_str()->type_name("C");
  app->add_option("--top", a->top, "how many kinds to print")->capture_default_str()->check(CLI::PositiveNumber)->type_name("N");
  app->add_flag("--json", a->json, "print all as JSON");
  add_time_limit(*app, a->limits, "how long to look; then the best of those that were weighed, but for --groups and --model, which end with an error",
                 "");
  add_memory_limit(*app, a->limits);
  return {app, [a](Watch& watch) { return print_placements(*a, watch); }};
}

}  // namespace p2plab::cli
