// SPDX-License-Identifier: Apache-2.0
// What lies where while a good schedule runs step by step: the contributions counted rank by rank. Shares no code with the verifier's sets.
#pragma once

#include <algorithm>
#include <vector>

#include "p2plab/schedule/dependencies.h"
#include "p2plab/schedule/step_reader.h"

namespace p2plab::test {

/// A chunk and how often each rank's contribution is in it, a byte a rank; chunk -1: nothing yet.
struct Held {
  std::int32_t chunk = -1;
  std::uint64_t contributions = 0;
  friend bool operator==(const Held&, const Held&) = default;
};

/// Runs a proved schedule of at most 8 ranks in list order.
class Replay {
 public:
  Replay(const Schedule& schedule, bool in_place) : schedule_(schedule), index_(schedule, in_place) { restart(); }

  /// Back to before the first step.
  void restart() {
    expects(schedule_.ranks() <= 8);
    next_ = 0;
    held_.assign(index_.size(), {});
    for (std::size_t c = 0; c < schedule_.chunks().size(); ++c) {
      const ChunkId chunk{static_cast<std::int64_t>(c)};
      for (const auto rank : schedule_.block_of(chunk).contributors)
        held_[index_(input(rank, chunk))] = {chunk.value, std::uint64_t{1} << (8 * rank.index())};
    }
  }

  /// Runs until just before `step`.
  void run_to(std::size_t step) {
    StepReader steps(schedule_);
    for (; next_ < step; ++next_) {
      const auto now = steps(StepId{static_cast<std::int64_t>(next_)});
      const auto sum = sum_of(now.sources);
      for (const auto& destination : now.destinations) held_[index_(destination)] = sum;
    }
  }

  /// What a step with these sources would write now.
  Held sum_of(std::span<const Location> sources) const {
    Held sum;
    for (const auto& source : sources) {
      const auto& value = held_[index_(source)];
      sum = {value.chunk, sum.contributions + value.contributions};
    }
    return sum;
  }

  /// What lies in a location now; nothing in one that the schedule does not name or that the contract does not give the rank.
  Held at(const Location& location) const { return known(location) && given(location) ? held_[index_(location)] : Held{}; }

  /// Are the two one place (in place, two names may be)?
  bool same_place(const Location& a, const Location& b) const { return a == b || (known(a) && known(b) && index_(a) == index_(b)); }

 private:
  bool known(const Location& location) const {
    return location.rank.value >= 0 && location.rank.value < schedule_.ranks() &&
           static_cast<int>(location.slot) < schedule_.slots(location.rank, location.buffer);
  }
  bool given(const Location& location) const {
    if (location.buffer != Buffer::input && location.buffer != Buffer::output) return true;
    const auto& block = schedule_.block_of(ChunkId{location.slot});
    const auto& ranks = location.buffer == Buffer::input ? block.contributors : block.receivers;
    return std::ranges::find(ranks, location.rank) != ranks.end();
  }
  const Schedule& schedule_;
  LocationIndex index_;
  std::vector<Held> held_;
  std::size_t next_ = 0;
};

}  // namespace p2plab::test
