// SPDX-License-Identifier: Apache-2.0
#include "run/traces.h"

#include <map>

#include <fmt/format.h>

#include "p2plab/simulator/simulate.h"
#include "p2plab/simulator/trace.h"
#include "p2plab/simulator/utilisation.h"

namespace p2plab {

namespace {

constexpr int heatmap_columns = 100;

}  // namespace

std::int64_t slices_of(const Program& program) {
  std::int64_t sum = 0;
  for (const auto& instruction : program.instructions) sum += program.slices(instruction);
  return sum;
}

Result<std::vector<Attachment>> winner_traces(const Experiment& experiment, const Setting& setting, const std::vector<Outcome>& outcomes) {
  std::map<CollectiveKind, std::map<Bytes, const Outcome*>> fastest;
  for (const auto& outcome : outcomes) {
    if (!outcome.evaluation || slices_of(outcome.evaluation->program) > most_recorded_slices) continue;
    auto& best = fastest[outcome.kind][outcome.size];
    if (best == nullptr || outcome.evaluation->predicted < best->evaluation->predicted) best = &outcome;
  }
  std::vector<Attachment> traces;
  for (const auto& [kind, sizes] : fastest) {
    std::vector<const Outcome*> chosen{sizes.begin()->second};
    if (sizes.size() > 1) chosen.push_back(sizes.rbegin()->second);
    for (const auto* outcome : chosen) {
      const auto& program = outcome->evaluation->program;
      auto result = simulate(setting.topology, setting.routes, program, experiment.profile, {.steps = false, .record = true});
      if (!result) return std::move(result).error();
      const auto name = fmt::format("{}_{}_{}", to_string(kind), outcome->choice->name, outcome->size.count());
      const auto heatmap = utilisation(*result, heatmap_columns);
      traces.push_back({"trace_" + name + ".json", write_trace(setting.topology, program, *result)});
      traces.push_back({"links_" + name + ".csv", to_csv(heatmap)});
      traces.push_back({"links_" + name + ".svg", to_svg(heatmap)});
    }
  }
  return traces;
}

}  // namespace p2plab
