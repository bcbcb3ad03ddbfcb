// SPDX-License-Identifier: Apache-2.0
// Several programs that run at the same time on one machine: process groups whose calls meet at links.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "p2plab/simulator/simulate.h"

namespace p2plab {

/// What programs take that begin together.
struct TogetherResult {
  SimTime makespan{0};            // until the last of them has ended
  SimTime bound{0};               // no execution of these programs is faster (proved, and checked on every run)
  std::vector<SimTime> finish;    // by program: when its last slice is complete
  std::vector<ResourceUse> uses;  // as SimResult::uses, of all programs
  std::int64_t slices = 0;
  std::int64_t transfers = 0;
};

/// Plays all `programs` at once: each as `simulate` plays it, in thread blocks of its own, and transfers of all of them in turn at every link that
/// they share. A rank may take part in several. Errors: as of `simulate`; unsupported (an epilogue, copy engines).
Result<TogetherResult> simulate_together(const Topology& topology, std::span<const Program* const> programs, const Profile& profile);

}  // namespace p2plab
