// SPDX-License-Identifier: Apache-2.0
// One look after another at what is recorded, and what was found by the last one.
#pragma once

#include <string>
#include <vector>

#include "monitor/views.h"

namespace p2plab::cli {

class Looking {
 public:
  /// `ended`: also communicators none of whose ranks runs any more.
  Looking(monitor::WatcherOptions options, bool ended) : watcher_(std::move(options)), ended_(ended) {}

  /// What cannot be read is a warning on stderr, once. Errors: io.
  Status look();
  /// Calls that are over, or as old as `settled`, and alarms that began or ended: a line of JSON each, once.
  std::string lines(Seconds settled);
  const monitor::Picture& picture() const { return picture_; }
  bool bad() const { return !picture_.alarms.empty(); }

 private:
  monitor::Watcher watcher_;
  bool ended_;
  monitor::Alarms alarms_ = {};
  monitor::Picture picture_ = {};
  std::vector<monitor::Alarms::Change> changes_ = {};
};

}  // namespace p2plab::cli
