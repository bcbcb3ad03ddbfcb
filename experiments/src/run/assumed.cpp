// SPDX-License-Identifier: Apache-2.0
#include "run/assumed.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "p2plab/machine/assumptions.h"
#include "p2plab/schedule/analysis.h"

namespace p2plab {

std::map<CollectiveKind, Limit> limits_at_fastest(const Experiment& experiment) {
  std::map<CollectiveKind, Limit> limits;
  const auto ends = assumed_ends(experiment.topology);
  if (!ends) return limits;
  for (const auto kind : experiment.collectives)
    limits.emplace(kind, limit_of(ends->fastest, make_collective(kind, experiment.topology.ranks(), experiment.root)));
  return limits;
}

std::vector<SourcedValue> values_behind(const Evaluator& evaluator, const Schedule& schedule) {
  const auto& topology = evaluator.topology();
  if (topology.sources().values.empty()) return {};
  return open_values(topology, link_loads(topology, schedule).per_link);
}

std::vector<SourcedValue> values_behind(const Evaluator& evaluator, const std::vector<PlannedCase>& cases) {
  std::set<std::string> names;
  for (const auto& planned : cases) {
    if (!planned.evaluation) continue;
    for (const auto& value : values_behind(evaluator, planned.evaluation->plan().schedule)) names.insert(value.what);
  }
  std::vector<SourcedValue> values;
  std::ranges::copy_if(evaluator.topology().sources().values, std::back_inserter(values),
                       [&](const SourcedValue& value) { return names.contains(value.what); });
  return values;
}

std::vector<std::string> assumed_sentences(std::span<const SourcedValue> values) {
  if (values.empty()) return {};
  std::vector<std::string> texts;
  for (const auto& value : values) {
    auto text = fmt::format("{} ({}", value.what, value.value);
    if (value.least > Bandwidth{} && value.least < value.most)
      text += fmt::format(", {:.4g} to {:.4g} can be", value.least.gbps(), value.most.gbps());
    texts.push_back(text + (value.key.empty() ? ")" : fmt::format("; {}: ... answers it)", value.key)));
  }
  return {fmt::format("Predictions and bounds rest on what is assumed of the machine: {}.", fmt::join(texts, "; "))};
}

}  // namespace p2plab
