// SPDX-License-Identifier: Apache-2.0
#include "run/recordings.h"

#include <algorithm>
#include <map>

namespace p2plab {

namespace {

using Winners = std::map<Bytes, const PlannedCase*>;

std::map<CollectiveKind, Winners> winners_of(const std::vector<PlannedCase>& cases) {
  std::map<CollectiveKind, Winners> winners;
  for (const auto& each : cases) {
    if (!each.evaluation) continue;
    auto& best = winners[each.kind][each.size];
    if (best == nullptr || each.evaluation->prediction.time < best->evaluation->prediction.time) best = &each;
  }
  return winners;
}

bool fits(const PlannedCase& winner, std::int64_t most) { return slices_of(winner.evaluation->program) <= most; }

// By rising size.
std::vector<const PlannedCase*> worth_recording(const Winners& winners) {
  std::vector<const PlannedCase*> chosen{winners.begin()->second};
  const auto last = winners.rbegin();
  const auto traced = std::find_if(last, winners.rend(), [](const auto& entry) { return fits(*entry.second, most_traced_slices); });
  if (traced != last && traced != winners.rend() && traced->second != chosen.front()) chosen.push_back(traced->second);
  if (last->second != chosen.front()) chosen.push_back(last->second);
  std::erase_if(chosen, [](const PlannedCase* winner) { return !fits(*winner, most_recorded_slices); });
  return chosen;
}

}  // namespace

Result<std::vector<WinnerRecording>> record_winners(const Evaluator& evaluator, const std::vector<PlannedCase>& cases) {
  std::vector<WinnerRecording> recordings;
  for (const auto& [kind, winners] : winners_of(cases)) {
    for (const auto* winner : worth_recording(winners)) {
      auto result = evaluator.simulate(winner->evaluation->program, {.record = true});
      if (!result) return std::move(result).error();
      recordings.push_back({winner, *std::move(result), {}});
    }
  }
  return recordings;
}

}  // namespace p2plab
