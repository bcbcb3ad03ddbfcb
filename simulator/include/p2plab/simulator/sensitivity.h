// SPDX-License-Identifier: Apache-2.0
// What a program's time depends on: every parameter made a little better, the gains ranked; and how time spreads where machines are not steady.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "p2plab/simulator/simulate.h"

namespace p2plab {

/// One parameter 10 % better (bandwidths and rates up, latencies and costs down), everything else and the plan as it is.
struct Sensitivity {
  std::string parameter;  // "bandwidth of link gpu0 - sw0", "latency of all nvlink links", "launch"
  Seconds gain{0};        // time saved; negative if it got slower (serving in turn allows that)
  double gain_pct = 0;    // of the time
  double elasticity = 0;  // per cent of time saved for each per cent of the parameter
  double derivative = 0;  // d(time) / d(parameter), in seconds per unit of the parameter (B/s, s or 1); 0 where many parameters moved at once
};

struct SensitivityOptions {
  std::size_t most_links = 64;  // single links looked at, the busiest
};

/// Ranked by gain, largest first; ties by name. Link pairs that carried nothing and profile numbers that cost nothing are left out. Errors: those
/// of `simulate`.
Result<std::vector<Sensitivity>> sensitivities(const Topology& topology, const Program& program, const Profile& profile,
                                               const SensitivityOptions& options = {});

/// What varies from call to call. Draws are independent and come from `seed` alone.
struct Spread {
  double link_jitter = 0;       // every link pair's bandwidth is divided by a lognormal factor with this standard deviation of its logarithm
  Seconds straggler{0};         // mean of the exponential delay of a rank that is late
  double straggler_chance = 1;  // the chance that a rank is late
  int samples = 1000;
  std::uint64_t seed = 1;
};

/// Order statistics: the least time that at least this part of the samples does not exceed.
struct JitterResult {
  Seconds steady{0};  // without any spread
  Seconds mean{0};
  Seconds p50{0};
  Seconds p90{0};
  Seconds p99{0};
  Seconds worst{0};
  int samples = 0;
};

/// Errors: a spread below zero or not finite, samples not from 1 to 1,000,000; those of `simulate`.
Result<JitterResult> simulate_jitter(const Topology& topology, const Program& program, const Profile& profile, const Spread& spread);

}  // namespace p2plab
