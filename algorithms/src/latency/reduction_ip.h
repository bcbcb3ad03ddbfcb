// SPDX-License-Identifier: Apache-2.0
// All-reduce in a few steps: what comes in is added before it goes on, so a chunk crosses each link at most once a step, whatever ranks it is from.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "latency/search.h"

namespace p2plab {

/// An all-reduce by in-flight reduction, whose partial sums are forwarded: for each chunk of the payload, who sends to whom in which step.
struct SumPlan {
  std::vector<int> rounds;  // by step
  std::vector<std::vector<StepHop>> chunks;
};

/// A question: do `chunks` chunks of the payload fit into `steps` steps of `rounds` rounds together?
struct SumQuestion {
  int chunks = 1;
  int steps = 2;
  int rounds = 2;
};

/// An answer with its plan; `impossible` is proved for every all-reduce to which all members give, whatever it sends.
struct SumAnswer {
  SearchAnswer answer = SearchAnswer::unknown;
  SumPlan plan = {};
};

/// Looks for an all-reduce among `members` without relays, such that from each member to each other one a way through ranks and steps leads, and that
/// `parts_of` can put the whole sum together everywhere. By branch and bound of at most `effort.nodes` nodes for plans that `symmetry` keeps, then
/// for those that parts of it keep. `impossible` where even fractional transfers do not suffice: each rank's data must reach all, and a chunk needs 2
/// (n
/// - 1) transfers (the least number of one-way messages by which n ranks tell each other everything).
SumAnswer travelling_sum(const StepModel& model, std::span<const Rank> members, std::span<const Renumbering> symmetry, const SumQuestion& question,
                         const StepEffort& effort, double& work);

/// No more chunks fit into so many steps and rounds, whatever an all-reduce to which all members give sends, by the same counts for all chunks
/// together; none if the program is too large or the solver gives up.
std::optional<double> most_sums(const StepModel& model, std::span<const Rank> members, std::span<const Renumbering> symmetry, int steps, int rounds,
                                const StepEffort& effort);

/// What a transfer carries: the parts that its sender holds, by number. A rank's own contribution is its part 0; what comes in is numbered in
/// order of arrival.
struct SumSend {
  StepHop hop;
  std::vector<std::size_t> parts;
};

/// What each transfer of one chunk carries, in order of steps, so that all members can add up the whole, no contribution twice; none if that is not
/// found. Transfers that carry nothing are left out.
std::optional<std::vector<SumSend>> parts_of(std::span<const StepHop> hops, std::span<const Rank> members, int ranks);

}  // namespace p2plab
