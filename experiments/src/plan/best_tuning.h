// SPDX-License-Identifier: Apache-2.0
// Which protocol, blocks per lane and slices a plan runs with (its form): those that are predicted fastest.
#pragma once

#include <functional>

#include <limits>
#include <optional>

#include "p2plab/experiment/evaluator.h"

namespace p2plab {

/// Of programs with more instructions one simulation takes seconds: they take the form that their planner suggests.
inline constexpr std::size_t most_searched_instructions = 1'000'000;

inline constexpr Seconds never{std::numeric_limits<double>::infinity()};

struct TimedProgram {
  Program program;
  Seconds time{0};
};

/// When to end.
struct SearchLimits {
  const std::function<bool()>& stop;  // once it says true (empty: never) the fastest so far is taken
  Seconds useful = never;             // forms that take longer are not asked for
};

/// Tries copies of lanes, slices and protocols, from the planner's suggestion on, as long as the model says that it gains. None where the best takes
/// longer than `limits.useful`, which is otherwise without influence: what may be walked through on the way to something faster is not left out.
/// Errors: those of `lower` and of the model.
Result<std::optional<TimedProgram>> best_tuning(const Evaluator& evaluator, const ProvedPlan& plan, const Payload& payload,
                                                const SearchLimits& limits);

}  // namespace p2plab
