// SPDX-License-Identifier: Apache-2.0
#include "run/traces.h"

#include <fmt/format.h>

#include "p2plab/simulator/trace.h"
#include "p2plab/simulator/utilisation.h"

namespace p2plab {

namespace {

constexpr int heatmap_columns = 100;

}  // namespace

std::vector<Attachment> traces_of(const Topology& topology, std::span<const WinnerRecording> recordings) {
  std::vector<Attachment> traces;
  for (const auto& [winner, result, measured] : recordings) {
    const auto& program = winner->evaluation->program;
    if (slices_of(program) > most_traced_slices) continue;
    const auto name = fmt::format("{}_{}_{}", to_string(winner->kind), winner->choice->name, winner->size.count());
    const auto heatmap = utilisation(result, heatmap_columns);
    std::vector<MeasuredTrack> tracks;
    for (const auto& each : measured) tracks.push_back({each.executor, each.steps});
    traces.push_back({"trace_" + name + ".json", write_trace(topology, program, result, tracks)});
    traces.push_back({"links_" + name + ".csv", to_csv(heatmap)});
    traces.push_back({"links_" + name + ".svg", to_svg(heatmap)});
  }
  return traces;
}

}  // namespace p2plab
