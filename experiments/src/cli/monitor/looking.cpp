// SPDX-License-Identifier: Apache-2.0
#include "cli/monitor/looking.h"

#include <iostream>

namespace p2plab::cli {

using namespace monitor;

Status Looking::look() {
  if (auto seen = watcher_.look(); !seen) return seen;
  for (const auto& complaint : watcher_.take_complaints()) std::cerr << "warning: " << complaint << '\n';
  picture_.now = monotonic_now();
  picture_.processes = watcher_.current(ended_);
  picture_.bands = bands_of(picture_.processes);
  picture_.lost = watcher_.lost();
  // Whoever came late a while ago is no alarm now.
  const auto verdicts = explain(logs_of(picture_.processes, picture_.now), {.recent = Seconds{5}});
  const auto found = alarms_of(picture_.bands, verdicts, picture_.lost, picture_.now);
  changes_ = alarms_.update(found, picture_.now);
  picture_.alarms = alarms_.on();
  return {};
}

std::string Looking::lines(Seconds settled) {
  std::string text;
  for (const auto& [process, call] : watcher_.take_settled(settled, picture_.now)) text += call_line(*process, call);
  for (const auto& change : changes_) text += alarm_line(change);
  return text;
}

}  // namespace p2plab::cli
