// SPDX-License-Identifier: Apache-2.0
// What a watching person should be told: a size that is slower than expected, a rank that is late or gone, an error, records that were lost.
#pragma once

#include <string>
#include <vector>

#include "monitor/bands.h"
#include "monitor/explain.h"

namespace p2plab::monitor {

struct Alarm {
  std::string kind = {};  // "slow band", "lost records", else a cause of explain.h
  std::string communicator = {};
  int rank = -1;
  std::string text = {};
  std::uint64_t since = 0;  // ns of CLOCK_MONOTONIC

  bool same_as(const Alarm& other) const {
    return kind == other.kind && communicator == other.communicator && rank == other.rank && (kind != "slow band" || text == other.text);
  }
};

/// Alarms that are on. One goes only when it was off for `quiet`, so that what flickers is told once.
class Alarms {
 public:
  struct Change {
    Alarm alarm;
    bool on = true;
  };
  /// Takes what is found now; what began and what ended since the last time.
  std::vector<Change> update(const std::vector<Alarm>& found, std::uint64_t now);
  std::vector<Alarm> on() const;

 private:
  struct Kept {
    Alarm alarm;
    std::uint64_t seen = 0;
  };
  std::vector<Kept> kept_;
};

/// What is wrong now.
std::vector<Alarm> alarms_of(const std::vector<Band>& bands, const std::vector<Verdict>& verdicts, std::uint64_t lost, std::uint64_t now);

}  // namespace p2plab::monitor
