// SPDX-License-Identifier: Apache-2.0
// What choosing one set of GPUs and choosing several share.
#pragma once

#include <vector>

#include "p2plab/bounds/place.h"
#include "p2plab/machine/cuts.h"

namespace p2plab::placing {

using Subset = std::vector<int>;  // rising ranks

inline constexpr double most_subsets = 200'000;

std::vector<Subset> all_subsets(int n, int k);

/// The subsets of each orbit under the machine's symmetries, as places in `all`, the first one first.
std::vector<std::vector<std::size_t>> orbits_of(const Topology& topology, const std::vector<Subset>& all);

/// Errors: as of `place`, but for the number of subsets.
Status check(int n, int count, CollectiveKind kind);
/// Errors: more subsets than are weighed one by one.
Status few_enough(int n, int count);

/// What these GPUs allow among themselves; `own`: what each sends on the whole machine.
Result<Placement> judge(const Topology& topology, const Subset& subset, CollectiveKind kind, const std::vector<Degree>& own);

}  // namespace p2plab::placing
