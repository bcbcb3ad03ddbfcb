// SPDX-License-Identifier: Apache-2.0
#include "p2plab/program/plan_io.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>

#include <fmt/format.h>

#include "base/old_words.h"
#include "files/json_values.h"
#include "files/plan_images.h"
#include "p2plab/detail/text.h"
#include "p2plab/machine/topology_io.h"

namespace p2plab {

namespace {

// "i0.3 s1.7": buffer letter, rank, slot.
std::string text_of(std::span<const Location> locations) {
  std::string text;
  for (const auto& location : locations) {
    fmt::format_to(std::back_inserter(text), "{}{}{}.{}", text.empty() ? "" : " ", buffer_letters[static_cast<std::size_t>(location.buffer)],
                   location.rank.value, static_cast<std::uint32_t>(location.slot));
  }
  return text;
}

Json steps_json(const Schedule& schedule) {
  Json steps = Json::array();
  for (std::size_t i = 0; i < schedule.base_step_count(); ++i) {
    const auto step = schedule.base_step(StepId{static_cast<std::int64_t>(i)});
    Json row = {step.executor.value, text_of(step.sources), text_of(step.destinations)};
    if (!step.routes.empty()) {
      Json routes = Json::array();
      for (const auto route : step.routes) routes.push_back(route.value);
      row.push_back(std::move(routes));
    }
    steps.push_back(std::move(row));
  }
  return steps;
}

// Reads the parts of a plan file; the first mistake is in `mistake`.
class PlanReader {
 public:
  PlanReader(const nlohmann::json& document, std::string_view text, const std::string& filename)
      : mistake_{filename, text}, root_(&document, &mistake_) {}

  Result<PlanFile> run() {
    root_.expect_keys({"p2plab_plan", "planner", "parameters", "reason", "tuning", "payload", "in_place", "fingerprint?", "topology", "ranks",
                       "collective", "chunks", "routes", "steps", "phases?", "images?", "order?"});
    root_["p2plab_plan"].version(1, "plan files");
    if (mistake_.error) return *std::move(mistake_.error);
    auto topology = read_topology(root_["topology"].string(), mistake_.filename + ": topology");
    if (!topology) return std::move(topology).error();
    if (const auto right = topology->fingerprint(); root_["fingerprint"].present() && root_["fingerprint"].string() != right) {
      root_["fingerprint"].fail(fmt::format("the topology in this file has the fingerprint '{}'", right));
    }
    const auto payload = read_payload(root_["payload"]);
    const auto in_place = root_["in_place"].boolean();
    const auto ranks = static_cast<int>(root_["ranks"].integer(1, most_ranks));
    auto builder = Schedule::Builder::create(read_collective(root_["collective"]), ranks);
    if (mistake_.error) return *std::move(mistake_.error);
    if (!builder) return at_file(std::move(builder).error());
    read_chunks(*builder);
    read_routes(*builder);
    read_steps(*builder);
    if (root_["images"].present()) builder->fold(read_images(root_["images"], {ranks, root_["routes"].size()}));
    Tuning tuning = read_tuning(root_["tuning"]);
    Parameters parameters;
    for (auto& [name, value] : root_["parameters"].strings()) parameters[name] = value;
    std::vector<std::string> warnings;
    if (root_[old_phases].present())
      warnings.push_back(fmt::format("{}: folded plans have no '{}' now; version 0.3 will not read them", mistake_.filename, old_phases));
    if (root_["tuning"]["protocol"].string() == old_lamport) {
      warnings.push_back(
          fmt::format("{}: protocol '{}' is called 'lamport' now; version 0.3 will not read the old word", mistake_.filename, old_lamport));
    }
    if (root_["tuning"][old_blocks_per_lane].present()) {
      warnings.push_back(
          fmt::format("{}: '{}' is called 'blocks_per_lane' now; version 0.3 will not read the old word", mistake_.filename, old_blocks_per_lane));
    }
    auto planner = root_["planner"].string();
    auto reason = root_["reason"].string();
    auto order = root_["order"].present() ? root_["order"].string() : std::string{};
    if (mistake_.error) return *std::move(mistake_.error);
    auto schedule = std::move(*builder).build();
    if (!schedule) return at_file(std::move(schedule).error());
    return PlanFile{*std::move(topology),
                    Plan{*std::move(schedule), std::move(planner), std::move(parameters), tuning, std::move(reason)},
                    payload,
                    in_place,
                    std::move(warnings),
                    std::move(order)};
  }

 private:
  Error at_file(Error error) const {
    if (!error.where) error.where = SourceLocation{mistake_.filename};
    return error;
  }

  void read_chunks(Schedule::Builder& builder) const {
    const auto chunks = root_["chunks"];
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      const auto row = chunks.at(i).integers(0, std::numeric_limits<std::int32_t>::max());
      if (row.size() != 3) return chunks.at(i).fail("expected block, weight and channel");
      builder.add_chunk({static_cast<std::int32_t>(row[0]), static_cast<std::uint32_t>(row[1]), static_cast<std::int32_t>(row[2])});
    }
  }

  void read_routes(Schedule::Builder& builder) const {
    const auto routes = root_["routes"];
    for (std::size_t i = 0; i < routes.size(); ++i) {
      std::vector<LinkId> links;
      for (const auto link : routes.at(i).integers(0, most_links)) links.emplace_back(link);
      builder.add_route(links);
    }
  }

  void read_steps(Schedule::Builder& builder) const {
    const auto steps = root_["steps"];
    for (std::size_t i = 0; i < steps.size() && !mistake_.error; ++i) {
      const auto row = steps.at(i);
      if (row.size() != 3 && row.size() != 4) return row.fail("expected executor, sources, destinations and, where some are explicit, routes");
      const auto sources = locations(row.at(1));
      const auto destinations = locations(row.at(2));
      std::vector<RouteId> routes;
      if (row.size() == 4) {
        for (const auto route : row.at(3).integers(-1, most_links)) routes.emplace_back(route);
        if (routes.size() != sources.size() + destinations.size()) return row.at(3).fail("expected one route per source and destination");
      }
      if (!mistake_.error) builder.add_step(Rank{row.at(0).integer(0, most_ranks)}, sources, destinations, routes);
    }
  }

  static std::vector<Location> locations(const JsonValue& value) {
    const auto text = value.string();
    std::vector<Location> result;
    const char* place = text.data();
    const char* const end = text.data() + text.size();
    const auto bad = [&] { return value.fail("expected locations such as 'i0.3 s1.7': i, o, s or h, rank, slot"), std::vector<Location>{}; };
    while (place != end) {
      const auto buffer = buffer_letters.find(*place++);
      std::uint32_t rank = 0;
      std::uint32_t slot = 0;
      const auto [dot, rank_fault] = std::from_chars(place, end, rank);
      if (buffer == std::string_view::npos || rank_fault != std::errc{} || rank > most_ranks || dot == end || *dot != '.') return bad();
      const auto [next, slot_fault] = std::from_chars(dot + 1, end, slot);
      if (slot_fault != std::errc{} || slot >= (1U << 30) || (next != end && *next != ' ')) return bad();
      result.push_back(p2plab::at(Rank{static_cast<std::int64_t>(rank)}, static_cast<Buffer>(buffer), slot));
      place = next == end ? end : next + 1;
    }
    return result;
  }

  JsonMistake mistake_;
  JsonValue root_;
};

}  // namespace

std::string write_plan(const PlanFile& file) {
  const auto& plan = file.plan;
  const auto& schedule = plan.schedule;
  Json chunks = Json::array();
  for (const auto& chunk : schedule.chunks()) chunks.push_back({chunk.block, chunk.weight, chunk.channel});
  Json routes = Json::array();
  for (std::size_t i = 0; i < schedule.route_count(); ++i) {
    Json links = Json::array();
    for (const auto link : schedule.route(RouteId{static_cast<std::int64_t>(i)})) links.push_back(link.value);
    routes.push_back(std::move(links));
  }
  Json document = {{"p2plab_plan", 1},
                   {"planner", plan.planner},
                   {"parameters", plan.parameters},
                   {"reason", plan.reason},
                   {"tuning", tuning_json(plan.tuning)},
                   {"payload", payload_json(file.payload)},
                   {"in_place", file.in_place},
                   {"fingerprint", file.topology.fingerprint()},
                   {"topology", write_topology(file.topology)},
                   {"ranks", schedule.ranks()},
                   {"collective", collective_json(schedule.collective())},
                   {"chunks", std::move(chunks)},
                   {"routes", std::move(routes)},
                   {"steps", steps_json(schedule)}};
  if (schedule.folding().folded()) document["images"] = images_json(schedule);
  if (!file.order.empty()) document["order"] = file.order;
  return dump(document);
}

Result<PlanFile> read_plan(std::string_view text, const std::string& filename) {
  auto document = parse_json(text, filename);
  if (!document) return std::move(document).error();
  return PlanReader{*document, text, filename}.run();
}

Result<PlanFile> load_plan(const std::string& path) {
  auto text = read_text_file(path, Bytes{std::int64_t{1} << 30});
  if (!text) return std::move(text).error();
  return read_plan(*text, path);
}

}  // namespace p2plab
