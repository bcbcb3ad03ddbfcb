// SPDX-License-Identifier: Apache-2.0
// The ways in which a collective can be done in few steps, as the latency planner and the frontier weigh them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "latency/emit.h"

namespace p2plab {

/// One way: `chunks` pieces of each block (of the payload, for all_reduce) in `steps` steps of `rounds` rounds together.
struct LatencyVariant {
  int chunks = 1;
  int steps = 0;
  int rounds = 0;
  bool proved = false;                   // as StepPoint::proved
  int most_chunks = 0;                   // no more go into so many steps and rounds; zero if nothing is known
  StepPlan gather = {};                  // all but `sum`: the plan, or all-reduce's second half
  std::optional<StepPlan> scatter = {};  // all-reduce's first half, made on the reversed model
  std::optional<SumPlan> sum = {};
  double ratio() const { return static_cast<double>(rounds) / chunks; }
};

/// The variants of one collective on one machine.
class LatencyVariants {
 public:
  LatencyVariants(const Topology& topology, const Collective& collective, StepFabric fabric, StepEffort effort);

  const StepModel& model() const& { return model_; }
  const StepModel& model() && = delete;
  /// The fewest steps; -1 if something is out of reach.
  int least_steps() const { return search_->least_steps(); }
  /// Variants for so many chunks in at most so many steps (0: the variant's default, and the fewest), each with the fewest rounds found.
  std::vector<LatencyVariant> list(int chunks, int steps);
  /// The variants that no other one beats in steps, rounds and rounds a chunk.
  std::vector<LatencyVariant> frontier(int most_chunks, int most_steps, double least_ratio);
  /// The plan of a variant.
  Result<Plan> plan(const LatencyVariant& variant, PlanWords words) const;

 private:
  bool sums() const { return collective_.kind == CollectiveKind::all_reduce; }
  // Counts of messages hold only where no member is silent.
  bool all_give() const { return collective_.silent.empty(); }
  LatencyVariant plain(StepPoint point) const;
  std::optional<LatencyVariant> both(int chunks, int steps);
  std::vector<LatencyVariant> sum_variants(int steps, int most_chunks, double least_ratio, const std::vector<LatencyVariant>& known);
  std::optional<LatencyVariant> sum_variant(int chunks, int steps, int rounds);
  std::optional<double> most_for_a_root(int steps, int rounds);
  int most_reduced(int steps, int rounds, double least_ratio);
  void limit(std::vector<LatencyVariant>& variants, double least_ratio);
  void prove(std::vector<LatencyVariant>& variants, double least_ratio);

  const Topology& topology_;
  const Collective& collective_;
  StepEffort effort_;
  StepModel model_;
  StepTask task_;
  std::unique_ptr<StepSearch> search_;
  StepModel reversed_model_;  // all_reduce only: for its first half
  std::unique_ptr<StepSearch> reversed_search_;
  std::vector<StepTask> root_tasks_;  // all_reduce only: from each sender to all
  std::vector<std::unique_ptr<StepSearch>> root_searches_;
  std::vector<Renumbering> symmetry_;                 // all_reduce only
  double sum_work_ = 1e5;                             // columns times nodes that searches for sums may still take
  std::map<std::pair<int, int>, int> most_by_steps_;  // all_reduce only: chunks, by steps and rounds
};

}  // namespace p2plab
