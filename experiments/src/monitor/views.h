// SPDX-License-Identifier: Apache-2.0
// What is recorded, as others want it: lines of JSON, a table, Prometheus' text, Chrome's trace.
#pragma once

#include <string>
#include <vector>

#include "monitor/alarms.h"
#include "monitor/bands.h"
#include "monitor/watcher.h"

namespace p2plab::monitor {

/// What a view is of.
struct Picture {
  std::vector<const RecordedProcess*> processes = {};
  std::vector<Band> bands = {};
  std::vector<Alarm> alarms = {};
  std::uint64_t lost = 0;
  std::uint64_t now = 0;
};

/// One line each, with its end.
std::string call_line(const RecordedProcess& process, const RecordedCall& call);
std::string alarm_line(const Alarms::Change& change);

std::string table_of(const Picture& picture, int columns);
std::string prometheus_of(const Picture& picture);
/// The picture in JSON, for the page.
std::string picture_json(const Picture& picture);

/// A call, as `call_line` names it.
struct AskedCall {
  std::string communicator;
  std::string rank;
  std::string sequence;
  bool replayed = false;  // which are numbered by themselves
};
/// Its steps, as far as they are recorded; "[]" if there are none.
std::string steps_json(const RecordedProcess& process, const AskedCall& asked);

/// A line for each step of a call that is there, with its end.
std::string step_lines(const RecordedProcess& process);

/// Calls that began within the window, and their steps where they are recorded; opens in Perfetto and chrome://tracing.
struct Window {
  std::uint64_t from = 0;  // ns of CLOCK_MONOTONIC
  std::uint64_t to = UINT64_MAX;
};
std::string trace_of(const std::vector<RecordedProcess>& processes, const Window& window);

}  // namespace p2plab::monitor
