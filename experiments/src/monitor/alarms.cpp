// SPDX-License-Identifier: Apache-2.0
#include "monitor/alarms.h"

#include <algorithm>

#include <fmt/format.h>

namespace p2plab::monitor {

namespace {

constexpr std::uint64_t quiet = 5'000'000'000;  // ns

}  // namespace

std::vector<Alarms::Change> Alarms::update(const std::vector<Alarm>& found, std::uint64_t now) {
  std::vector<Change> changes;
  for (const auto& alarm : found) {
    const auto known = std::ranges::find_if(kept_, [&](const Kept& kept) { return kept.alarm.same_as(alarm); });
    if (known != kept_.end()) {
      known->seen = now;
      known->alarm.text = alarm.text;
      continue;
    }
    kept_.push_back({alarm, now});
    changes.push_back({alarm, true});
  }
  std::erase_if(kept_, [&](const Kept& kept) {
    const bool over = kept.seen + quiet < now;
    if (over) changes.push_back({kept.alarm, false});
    return over;
  });
  return changes;
}

std::vector<Alarm> Alarms::on() const {
  std::vector<Alarm> all;
  for (const auto& kept : kept_) all.push_back(kept.alarm);
  return all;
}

std::vector<Alarm> alarms_of(const std::vector<Band>& bands, const std::vector<Verdict>& verdicts, std::uint64_t lost, std::uint64_t now) {
  std::vector<Alarm> alarms;
  for (const auto& verdict : verdicts)
    alarms.push_back({std::string{to_string(verdict.cause)}, verdict.communicator, verdict.rank, verdict.what, now});
  for (const auto& band : bands) {
    if (!band.outside) continue;
    // Without the times, which change from look to look.
    alarms.push_back({"slow band", band.communicator, -1,
                      fmt::format("{} by {} is slower than {}", band.name(), band.way,
                                  band.expectation == Expectation::predicted ? "predicted" : "at its beginning"),
                      now});
  }
  if (lost > 0) alarms.push_back({"lost records", "", -1, fmt::format("{} calls were not read before they were overwritten", lost), now});
  return alarms;
}

}  // namespace p2plab::monitor
