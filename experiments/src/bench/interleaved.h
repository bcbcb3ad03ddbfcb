// SPDX-License-Identifier: Apache-2.0
// Several ways of doing one thing, timed interleaved: what drifts (clocks, heat, neighbours) meets all of them alike.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "p2plab/experiment/evaluator.h"
#include "p2plab/program/executor.h"

namespace p2plab {

/// A program on an executor; an executor of a vendor's library does the same collective its own way.
struct Contender {
  const Executor* executor = nullptr;
  const Evaluation* evaluation = nullptr;
  bool rows_apart = false;  // of its program's epilogue (RunOptions)
};

/// Samples of one contender, or why it has none.
struct InterleavedTimes {
  std::string executor = {};  // as it names itself
  Clock clock = Clock::device;
  std::vector<Seconds> samples = {};
  std::optional<DataCheck> check = std::nullopt;  // of the first round
  std::vector<std::string> notes = {};
  std::optional<Error> error = std::nullopt;

  /// None without samples.
  std::optional<Seconds> median() const;
};

struct InterleavedOptions {
  int rounds = 5;                   // the order is reversed from one to the next
  int samples = 3;                  // of each contender in each
  RunOptions each = {};             // how: `repeats` is `samples`, and data is checked in the first round, if it is
  bool keep_wrong = false;          // wrong data is in the times, and no error
  std::function<bool()> stop = {};  // asked between rounds; empty: never
  std::function<void()> round_ended = {};
};

/// Times all; data is checked in the first round. What cannot run is left out, with its error. Errors: verification_failed, if data is wrong and that
/// is not to be kept.
Result<std::vector<InterleavedTimes>> time_interleaved(const Evaluator& evaluator, std::span<const Contender> contenders,
                                                       const InterleavedOptions& options);

}  // namespace p2plab
