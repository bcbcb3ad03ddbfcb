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

/// One row's worth of running or simulating a program.
struct Measurement {
  std::string executor;
  Clock clock = Clock::simulated;
  std::vector<Seconds> samples = {};  // one per repeat; may be empty where an executor only checks data
  std::optional<DataCheck> check = std::nullopt;
  std::vector<std::string> notes = {};

  /// The middle sample (mean of the middle two); none without samples.
  std::optional<Seconds> median() const;
};

}  // namespace p2plab
