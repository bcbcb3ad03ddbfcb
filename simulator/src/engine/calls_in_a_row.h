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

/// What a call takes in the long run. Where who begins later is never done sooner, it lies between what the ranks advance by in any one call, or by
/// in the mean of any calls in a row: no less than the one that advances least, no more than the one that advances most, whatever the ranks' lead
/// over each other is. Where the lead repeats itself, all advance alike.
struct Period {
  SimTime at_least{0};
  SimTime at_most = SimTime::max();

  bool is_settled() const { return at_most <= at_least; }
  /// Known to a thousandth.
  bool is_near() const { return at_most - at_least <= at_most / 1000; }
};

class CallsInARow {
 public:
  using Play = std::function<Result<SimResult>(Compiled&)>;

  /// Of a program that was not played yet.
  explicit CallsInARow(Compiled program) : program_(std::move(program)) {}

  /// `first` is the first call, all ranks beginning together, and `play` plays another. As many are played as it takes to know the period, within
  /// what that may cost, or to know that it is more than `useful`.
  Result<Period> period(const SimResult& first, SimTime useful, const Play& play) const;

 private:
  Compiled program_;
};

}  // namespace p2plab
