// SPDX-License-Identifier: Apache-2.0
#include "run/views.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "p2plab/base/quantity.h"
#include "p2plab/machine/svg_layout.h"
#include "p2plab/simulator/utilisation.h"

namespace p2plab {

namespace {

using Json = nlohmann::ordered_json;

constexpr int heat_columns = 80;
constexpr std::size_t most_heat_rows = 40;
constexpr std::size_t most_tracks = 32;
constexpr std::size_t most_bars = 3000;

double tenths(double value) { return std::round(value * 10) / 10; }
double us(SimTime time) { return std::round(static_cast<double>(time.count()) * 1e-3) / 1e3; }

std::string_view words_of(LinkKind kind) {
  switch (kind) {
    case LinkKind::nvlink: return "NVLink";
    case LinkKind::pcie: return "PCIe";
    case LinkKind::upi: return "link between sockets";
    case LinkKind::host_memory: return "host memory";
    case LinkKind::network: return "network";
    case LinkKind::other: return "direct link";
  }
  return "link";
}

// All links between two nodes, drawn as one line; figures are of the busier direction.
struct LinkLine {
  double forward = 0;  // GB/s
  double backward = 0;
  std::int64_t bytes_forward = 0;
  std::int64_t bytes_backward = 0;
  double load = 0;
};

using Ends = std::tuple<LinkKind, NodeId, NodeId>;

std::map<Ends, LinkLine> lines_of(const Topology& topology, const SimResult& result) {
  std::map<Ends, LinkLine> lines;
  const double makespan = std::max<double>(1, static_cast<double>(result.makespan.count()));
  for (std::size_t l = 0; l < topology.links().size(); ++l) {
    const auto& link = topology.links()[l];
    const auto& use = result.uses[l];
    const bool forward = link.from < link.to;
    auto& line = lines[{link.kind, std::min(link.from, link.to), std::max(link.from, link.to)}];
    (forward ? line.forward : line.backward) += link.bandwidth.gbps();
    (forward ? line.bytes_forward : line.bytes_backward) += use.bytes.count();
    line.load = std::max(line.load, static_cast<double>(use.busy.count()) / makespan);
  }
  return lines;
}

// Where a line leaves a node: its centre, or on a bar the point nearest to the other end.
double end_of(const Placed& node, const Placed& other) {
  if (!node.bar) return node.x;
  return std::clamp(other.x, node.x - node.width / 2 + 12, node.x + node.width / 2 - 12);
}

Json links_json(const Topology& topology, const Drawing& drawing, const SimResult& result) {
  Json links = Json::array();
  for (const auto& [ends, line] : lines_of(topology, result)) {
    const auto& [kind, a, b] = ends;
    const auto& from = drawing.nodes[a.index()];
    const auto& to = drawing.nodes[b.index()];
    const auto& first = topology.node(a);
    const auto& second = topology.node(b);
    links.push_back({{"name", fmt::format("{} - {}", first.name, second.name)},
                     {"sort", fmt::format("{} {} - {}", words_of(kind), to_string(first.kind), to_string(second.kind))},
                     {"gbps", tenths(std::max(line.forward, line.backward) * 100) / 100},
                     {"bytes", std::max(line.bytes_forward, line.bytes_backward)},
                     {"load", std::round(line.load * 1000) / 1000},
                     {"bent", is_bent(drawing, from, to)},
                     {"x1", tenths(end_of(from, to))},
                     {"y1", tenths(from.y)},
                     {"x2", tenths(end_of(to, from))},
                     {"y2", tenths(to.y)}});
  }
  return links;
}

Json nodes_json(const Topology& topology, const Drawing& drawing) {
  Json nodes = Json::array();
  for (std::size_t n = 0; n < drawing.nodes.size(); ++n) {
    const auto& placed = drawing.nodes[n];
    const auto& node = topology.nodes()[n];
    nodes.push_back({{"name", node.name},
                     {"kind", to_string(node.kind)},
                     {"x", tenths(placed.x)},
                     {"y", tenths(placed.y)},
                     {"width", tenths(placed.width)},
                     {"height", tenths(placed.height)}});
  }
  return nodes;
}

// The busiest resources in their order, in percent.
Json heat_json(const SimResult& result) {
  const auto heat = utilisation(result, heat_columns);
  const auto mean = [&](std::size_t row) {
    const auto first = heat.busy.begin() + static_cast<std::ptrdiff_t>(row * heat_columns);
    return std::accumulate(first, first + heat_columns, 0.0);
  };
  std::vector<std::size_t> rows(heat.names.size());
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  std::ranges::stable_sort(rows, std::greater<>{}, mean);
  rows.resize(std::min(rows.size(), most_heat_rows));
  std::ranges::sort(rows);
  Json names = Json::array();
  Json busy = Json::array();
  for (const auto row : rows) {
    names.push_back(heat.names[row]);
    Json line = Json::array();
    for (std::size_t c = 0; c < heat_columns; ++c) line.push_back(std::lround(std::min(1.0, heat.busy[row * heat_columns + c]) * 100));
    busy.push_back(line);
  }
  const auto note = rows.size() < heat.names.size() ? fmt::format("The busiest {} of {}.", rows.size(), heat.names.size()) : std::string{};
  return {{"columns", heat_columns}, {"names", names}, {"busy", busy}, {"note", note}};
}

// A bar for each step of a thread block, from its first slice's issue to its last slice's release.
Json timeline_json(const Topology& topology, const Program& program, const Recording& recording) {
  struct Bar {
    std::uint32_t block = 0;
    int step = 0;
    SimTime begin{0};
    SimTime end{0};
  };
  std::vector<Bar> bars;
  for (const auto& slice : recording.slices) {
    const auto step = static_cast<int>(program.instructions[slice.instruction].step.value);
    const bool fresh = bars.empty() || bars.back().block != slice.block || bars.back().step != step;
    if (fresh) bars.push_back({slice.block, step, slice.issued, slice.released});
    bars.back().end = std::max(bars.back().end, slice.released);
  }
  Json tracks = Json::array();
  Json spans = Json::array();
  std::map<std::uint32_t, std::size_t> track_of;
  bool all = true;
  for (const auto& bar : bars) {
    const bool known = track_of.contains(bar.block);
    if ((!known && track_of.size() >= most_tracks) || spans.size() >= most_bars) {
      all = false;
      continue;
    }
    const auto track = track_of.try_emplace(bar.block, track_of.size()).first->second;
    const auto lane = bar.block / recording.blocks_per_lane;
    const auto& gpu = topology.node(topology.node_of(program.lanes[lane].rank)).name;
    if (!known) tracks.push_back(fmt::format("{} block {}", gpu, bar.block));
    spans.push_back({track, us(bar.begin), us(bar.end), bar.step});
  }
  return {{"tracks", tracks}, {"bars", spans}, {"note", all ? "" : fmt::format("The first {} thread blocks; the trace has all.", tracks.size())}};
}

using Track = std::tuple<std::int32_t, std::int32_t, std::int32_t>;  // rank, lane, block

// The first tracks of each rank, in order: as many of each.
std::map<Track, std::size_t> tracks_of(const Measurement& measured, int ranks) {
  std::map<Track, std::size_t> all;
  for (const auto& step : measured.steps) all[{step.rank, step.lane, step.block}] = 0;
  const auto most = std::max<std::size_t>(1, most_tracks / static_cast<std::size_t>(std::max(ranks, 1)));
  std::map<std::int32_t, std::size_t> taken;
  std::erase_if(all, [&](const auto& each) { return taken[std::get<0>(each.first)]++ >= most; });
  std::size_t number = 0;
  for (auto& [track, place] : all) place = number++;
  return all;
}

// The same of what was measured: each bar from the block's coming to a step to its last slice's end.
Json measured_json(const Topology& topology, const Measurement& measured) {
  constexpr double ns = 1e9;
  const auto us_of = [](Seconds time) { return std::round(time.count() * ns) / 1e3; };
  Json tracks = Json::array();
  Json spans = Json::array();
  const auto track_of = tracks_of(measured, topology.ranks());
  for (const auto& [track, number] : track_of) {
    const auto [rank, lane, block] = track;
    tracks.push_back(fmt::format("{} lane {} block {}", topology.node(topology.node_of(Rank{rank})).name, lane, block));
  }
  std::map<Track, std::size_t> last;  // bar of a track
  Seconds end{0};
  bool all = true;
  for (const auto& step : measured.steps) {
    end = std::max(end, step.ended);
    const Track track{step.rank, step.lane, step.block};
    const auto place = track_of.find(track);
    if (place == track_of.end() || spans.size() >= most_bars) {
      all = false;
      continue;
    }
    const auto before = last.find(track);
    if (before != last.end() && spans[before->second][3] == step.step) {
      spans[before->second][2] = us_of(step.ended);
      continue;
    }
    last[track] = spans.size();
    spans.push_back({place->second, us_of(step.begun), us_of(step.ended), step.step});
  }
  return {{"executor", measured.executor},
          {"device", measured.clock == Clock::device},
          {"end_us", us_of(end)},
          {"tracks", tracks},
          {"bars", spans},
          {"note", all ? "" : fmt::format("{} thread blocks; the trace has all.", tracks.size())}};
}

}  // namespace

std::vector<SimulatedView> views_of(const Topology& topology, std::span<const WinnerRecording> recordings) {
  std::vector<SimulatedView> views;
  const auto drawing = place_nodes(topology);
  for (const auto& [winner, result, measured] : recordings) {
    const auto& program = winner->evaluation->program;
    if (slices_of(program) > most_traced_slices) continue;
    Json beside = Json::array();
    for (const auto& each : measured) beside.push_back(measured_json(topology, each));
    const Json view{{"name", fmt::format("{} {} at {}", to_string(winner->kind), winner->choice->label(), to_string(winner->size))},
                    {"machine", topology.name()},
                    {"makespan_us", us(result.makespan)},
                    {"box", {{"width", drawing.width}, {"height", drawing.height}, {"small", drawing.small}}},
                    {"nodes", nodes_json(topology, drawing)},
                    {"links", links_json(topology, drawing, result)},
                    {"heat", heat_json(result)},
                    {"timeline", timeline_json(topology, recorded(program, result.recording), result.recording)},
                    {"measured", beside}};
    views.push_back({.json = view.dump(-1, ' ', false, Json::error_handler_t::replace)});
  }
  return views;
}

}  // namespace p2plab
