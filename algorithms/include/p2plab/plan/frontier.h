// SPDX-License-Identifier: Apache-2.0
// Few steps against few bytes: the plans of a collective that no other one beats in both (SCCL's frontier; Cai et al., 2021).
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "p2plab/program/planner.h"

namespace p2plab {

/// How far to look.
struct FrontierOptions {
  int most_chunks = 8;                               // a block (all_reduce: of the all-gather it is made of)
  int most_steps = 0;                                // 0: until the bandwidth's bound is met, or two more than the fewest
  std::optional<Seconds> time_limit = std::nullopt;  // what was found so far when it passes,
  std::function<bool()> stop = {};                   // or once this answers true; empty: never
};

/// A plan that cuts each block into `chunks` and moves them in `steps` steps; in the `rounds` rounds of all steps together, each link carries as many
/// chunks a round as its bandwidth is units wide. Takes about steps * latency + rounds / chunks * (block / unit).
struct FrontierPoint {
  int chunks = 1;
  int steps = 0;
  int rounds = 0;
  /// Is it proved that so many steps and rounds carry no more chunks (up to `most_chunks`)?
  bool proved = false;
  /// No plan moves more chunks in so many steps and rounds (where proved: up to the most asked for); zero if nothing is known.
  int most_chunks = 0;
  Plan plan;
};

/// The plans, by steps, then rounds.
struct Frontier {
  int least_steps = 0;
  Bandwidth unit;          // one chunk a round
  bool exact = true;       // every bandwidth is a whole number of units (else rounded down)
  double least_ratio = 0;  // no plan of any number of steps has fewer rounds a chunk (from `bound`)
  bool complete = true;    // false if time ran out
  Seconds time{0};         // that the search took
  std::vector<FrontierPoint> points;
};

/// The frontier of `collective` on `topology`, whose routes are `routes`. Exact to 8 members; beyond, where the integer programs are too large, as
/// good as a quick search finds. Errors: those of `bound`; unsupported above 128 ranks.
Result<Frontier> frontier(const Topology& topology, const Collective& collective, const FrontierOptions& options);

}  // namespace p2plab
