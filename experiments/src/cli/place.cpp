// SPDX-License-Identifier: Apache-2.0
// p2plab place: which GPUs of a machine to take for a job, and in which order to number them.

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/command.h"
#include "p2plab/bounds/place.h"
#include "report/json_number.h"
#include "report/text_table.h"

namespace p2plab::cli {

namespace {

struct PlaceArguments {
  std::string topology;
  int gpus = 0;
  std::string collective = "all_reduce";
  int top = 10;
  bool json = false;
};

std::vector<int> numbers_of(const Placement& placement) {
  std::vector<int> numbers;
  for (const auto rank : placement.gpus) numbers.push_back(rank.value);
  return numbers;
}

std::string json_of(const PlaceArguments& arguments, const std::vector<Placement>& placements) {
  nlohmann::ordered_json json{{"collective", arguments.collective}, {"gpus", arguments.gpus}, {"placements", nlohmann::ordered_json::array()}};
  for (const auto& placement : placements) {
    json["placements"].push_back({{"gpus", numbers_of(placement)},
                                  {"busbw_gbps", number(placement.busbw_gbps)},
                                  {"connected", placement.busbw_gbps > 0 || arguments.gpus == 1},
                                  {"alike", placement.alike}});
  }
  return json.dump(2) + "\n";
}

std::string text_of(const PlaceArguments& arguments, const Topology& topology, const std::vector<Placement>& placements) {
  TextTable table({{"GPUs in rank order"}, {"busbw GB/s", TextTable::Align::right}, {"alike", TextTable::Align::right}});
  const auto shown = std::min(placements.size(), static_cast<std::size_t>(arguments.top));
  std::int64_t cut_off = 0;
  for (std::size_t i = 0; i < placements.size(); ++i) {
    const bool apart = placements[i].busbw_gbps == 0 && arguments.gpus > 1;
    if (apart) cut_off += placements[i].alike;
    if (i >= shown) continue;
    const auto busbw = apart ? "not joined" : fmt::format("{:.3f}", placements[i].busbw_gbps);
    table.add({fmt::format("{}", fmt::join(numbers_of(placements[i]), ",")), busbw, fmt::format("{}", placements[i].alike)});
  }
  auto text = fmt::format("{} GPUs of {} for {}, best first; alike: subsets that a symmetry of the machine makes the same\n", arguments.gpus,
                          topology.name(), arguments.collective) +
              table.text();
  if (shown < placements.size()) text += fmt::format("and {} more kinds (--top {} shows all)\n", placements.size() - shown, placements.size());
  if (cut_off > 0) text += fmt::format("{} subsets have GPUs that cannot reach each other\n", cut_off);
  return text;
}

Status print_placements(const PlaceArguments& arguments, Watch& watch) {
  auto topology = topology_from(arguments.topology);
  if (!topology) return std::move(topology).error();
  auto kind = collective_kind(arguments.collective);
  if (!kind) return std::move(kind).error();
  auto placements = place(*topology, arguments.gpus, *kind);
  if (!placements) return std::move(placements).error();
  return watch.print(arguments.json ? json_of(arguments, *placements) : text_of(arguments, *topology, *placements));
}

}  // namespace

Command place_command(CLI::App& parent) {
  auto a = std::make_shared<PlaceArguments>();
  auto* app =
      add_command(parent, "place", "Which GPUs of a machine to take for a job, and in which order", "p2plab place --topology dgx-v100 --gpus 4");
  app->add_option("--topology", a->topology, "a file or a preset, as in hgx-h200:gpus=4")->required()->type_name("T");
  app->add_option("--gpus", a->gpus, "how many GPUs to take")->required()->type_name("K");
  app->add_option("--collective", a->collective, "what to rank them by")->capture_default_str()->type_name("C");
  app->add_option("--top", a->top, "how many kinds to print")->capture_default_str()->check(CLI::PositiveNumber)->type_name("N");
  app->add_flag("--json", a->json, "print all as JSON");
  return {app, [a](Watch& watch) { return print_placements(*a, watch); }};
}

}  // namespace p2plab::cli
