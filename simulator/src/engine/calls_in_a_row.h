// SPDX-License-Identifier: Apache-2.0
// Calls that follow each other on every rank, as a CUDA graph replays them. A rank that receives nothing, a broadcast's root, goes on while its data
// is still on its way, at most one call ahead of those it writes to: in the long run a call takes the mean of the way there and the tokens' way back.
#pragma once

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "compile/compiled.h"
#include "p2plab/program/packet_program.h"
#include "p2plab/simulator/simulate.h"

namespace p2plab {

/// Whether ranks are kept from running ahead by tokens alone; where data does, all begin and end together.
inline bool has_tokens(const Program& program) {
  const auto any = [](const auto& items) { return std::ranges::any_of(items, [](const PacketItem& item) { return item.is_token(); }); };
  return program.packets != nullptr && std::ranges::any_of(program.packets->ranks, any);
}

/// So many calls are on their way at the same time, at most, so that one of many in a row takes no less than that part of one alone: where data
/// passes h ranks on its way, the first is h calls ahead of the last.
std::int64_t most_calls_at_once(const Program& program);

class CallsInARow {
 public:
  /// Of a program that was not played yet.
  explicit CallsInARow(Compiled program) : program_(std::move(program)) {}

  /// The mean time from call to call once the ranks' lead over each other repeats itself, which it does within a few calls; `first` is the first one,
  /// all ranks beginning together, and `play` plays another.
  Result<SimTime> period(const SimResult& first, const std::function<Result<SimResult>(Compiled&)>& play) const;

 private:
  Compiled program_;
};

}  // namespace p2plab
