#include "traces.h"

#include <map>

#include <fmt/format.h>

#include "p2plab/simulate.h"
#include "p2plab/trace.h"

namespace p2plab {

namespace {

constexpr std::int64_t most_slices = 20'000;   // a trace of more is tens of megabytes

std::int64_t slices_of(const Program& program) {
  std::int64_t sum = 0;
  for (const auto& instruction : program.instructions) sum += program.slices(instruction);
  return sum;
}

}  // namespace

Result<std::vector<Attachment>> winner_traces(const Experiment& experiment, const Setting& setting, const std::vector<Outcome>& outcomes) {
  std::map<CollectiveKind, std::map<Bytes, const Outcome*>> fastest;
  for (const auto& outcome : outcomes) {
    if (!outcome.evaluation || slices_of(outcome.evaluation->program) > most_slices) continue;
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
      traces.push_back({fmt::format("trace_{}_{}_{}.json", to_string(kind), outcome->choice->name, outcome->size.count()),
                        write_trace(setting.topology, program, *result)});
    }
  }
  return traces;
}

}  // namespace p2plab
