// SPDX-License-Identifier: Apache-2.0
// What an executor says of a run: samples with their clock, and the data's check.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "p2plab/base/units.h"

namespace p2plab {

/// Which clock gave the samples; figures of different clocks are never mixed.
enum class Clock { simulated, host, device };

/// Did the data come out right?
struct DataCheck {
  bool passed = false;
  std::int64_t elements = 0;  // compared
  std::int64_t wrong = 0;
  double worst_error = 0;        // largest absolute difference from the float64 reference
  std::string first_wrong = {};  // "rank 2 output[17]: expected 3.5, found 4"
};

/// What a thread block (on a CPU: a part of a lane) did in one step, or in a slice of one; times are since the first block came to its first step.
struct MeasuredStep {
  static constexpr std::int32_t token = -1;  // says that the rank has begun
  std::int32_t rank = 0;
  std::int32_t lane = 0;  // of the program; of packets, which have none, 0
  std::int32_t block = 0;
  std::int32_t step = 0;
  std::int64_t slice = -1;  // -1: not told
  Seconds begun{0};         // the block came to it
  Seconds ready{0};         // what it needs was there
  Seconds ended{0};
};

/// One row's worth of running or simulating a program.
struct Measurement {
  std::string executor;
  Clock clock = Clock::simulated;
  std::vector<Seconds> samples = {};  // one per repeat; may be empty where an executor only checks data
  std::optional<DataCheck> check = std::nullopt;
  std::vector<std::string> notes = {};
  std::vector<MeasuredStep> steps = {};  // of one call, where RunOptions asked for them

  /// The middle sample (mean of the middle two); none without samples.
  std::optional<Seconds> median() const;
};

}  // namespace p2plab
