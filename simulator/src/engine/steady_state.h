// SPDX-License-Identifier: Apache-2.0
// Steady state: where the state repeats up to a shift in time, whole periods are added up instead of played.
#pragma once

#include <array>

#include "engine/arbitrated_links.h"
#include "engine/snapshot.h"
#include "engine/thread_blocks.h"

namespace p2plab {

/// Where the state equals an earlier one up to a shift in time, the period between repeats, until a thread block comes to its last slices. This is
/// exact: times are integers, and what follows from a state does not depend on when it is reached.
class SteadyState {
 public:
  SteadyState(Agenda& agenda, ThreadBlocks& blocks, ArbitratedLinks& links);

  /// Looks for a period, and skips as much of what repeats as it can. Between events only, when nothing is left to do at the present time.
  void look() {
    if (agenda_.events.count() >= next_look_ && agenda_.events.quiet()) compare();
  }

 private:
  void compare();
  void choose_leader();
  void rest();
  void remember();
  std::uint64_t glance() const;
  Snapshot snapshot(const Snapshot* earlier = nullptr) const;
  void skip(const Snapshot& now);

  Agenda& agenda_;
  ThreadBlocks& blocks_;
  ArbitratedLinks& links_;
  Loops loops_;
  bool looked_ = false;                   // for loops
  std::int64_t memory_ = 0;               // how long ago a time may be and still matter
  std::int64_t next_look_ = 0;            // counted in events
  std::int64_t pause_ = 0;                // events of each thread block between two looks
  std::uint32_t leader_ = no_index;       // the block whose slices are the beat
  std::uint32_t work_ = 0;                // its, unless works come again
  std::uint32_t due_ = 0;                 // its slices before the next beat
  std::uint32_t beats_ = 0;               // since it was chosen
  std::uint32_t window_ = 0;              // beats until `then_` is given up for a later one, if it is met in vain
  std::array<std::uint64_t, 64> seen_{};  // at the latest beats since `then_`, at a glance
  bool met_ = false;                      // it looked like `then_` again
  Snapshot then_;
};

}  // namespace p2plab
