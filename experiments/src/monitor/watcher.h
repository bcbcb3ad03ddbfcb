// SPDX-License-Identifier: Apache-2.0
// Follows the records of all processes in a folder: what is new since the last look, and what those of the last while were.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "p2plab/run/monitor.h"

namespace p2plab::monitor {

struct WatcherOptions {
  std::string folder;
  std::vector<std::string> files = {};  // these instead
  std::size_t kept = 20'000;            // calls of a process that are kept
};

class Watcher {
 public:
  explicit Watcher(WatcherOptions options) : options_(std::move(options)) {}

  /// Looks at all records. What cannot be read is said in `complaints`, once. Errors: io, if the folder cannot be read.
  Status look();

  /// Of each process all but its steps; the calls are those kept. Where replays are only counted, each look adds to `counted` one call for each of a
  /// graph that was replayed since the last one: `sequence` as it was captured, `number` that of the look.
  const std::map<std::string, RecordedProcess>& processes() const { return processes_; }
  /// The same, without communicators none of whose ranks runs any more, unless `ended`.
  std::vector<const RecordedProcess*> current(bool ended) const;
  /// Calls that are over, or as old as `settled`, since the last time that this was asked: each call once.
  struct Seen {
    const RecordedProcess* process = nullptr;
    RecordedCall call;
  };
  std::vector<Seen> take_settled(Seconds settled, std::uint64_t now);
  /// Calls that were overwritten before they were read, and that were never written; replays that are only counted, though they should be calls.
  std::uint64_t lost() const;
  std::vector<std::string> take_complaints() { return std::exchange(complaints_, {}); }

 private:
  struct Place {
    std::uint64_t next = 0;     // to be read
    std::uint64_t settled = 0;  // to be given out
    std::uint64_t lost = 0;
    std::uint64_t given = 0;  // the look up to which what was counted is given out
    bool over = false;
  };
  void look_at(const std::string& path);
  void count_replays(const RecordedProcess& before, RecordedProcess& now) const;
  void complain(const std::string& what);

  WatcherOptions options_;
  std::map<std::string, RecordedProcess> processes_;
  std::map<std::string, Place> places_;
  std::vector<std::string> complaints_;
  std::vector<std::string> complained_;
  std::uint64_t looks_ = 0;
};

}  // namespace p2plab::monitor
