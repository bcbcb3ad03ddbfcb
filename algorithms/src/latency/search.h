// SPDX-License-Identifier: Apache-2.0
// Few steps, few rounds, many chunks: which of them a task can have together.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "latency/step_ip.h"

namespace p2plab {

/// How much work a search may do.
struct StepEffort {
  std::size_t most_columns = 300;   // larger programs are not tried
  int nodes = 30;                   // of each search for whole numbers
  std::function<bool()> stop = {};  // asked between searches; empty: never
};

/// A way to do a task. `proved`: with so many steps and chunks no fewer rounds do; in a frontier, with so many steps and rounds no more chunks go.
struct StepPoint {
  StepPlan plan;
  bool proved = false;
};

/// Searches for one task on one machine; keeps what it learnt about each number of steps. Model and task must outlive it.
class StepSearch {
 public:
  StepSearch(const StepModel& model, const StepTask& task, StepEffort effort);

  /// The fewest steps; -1 if something is out of reach.
  int least_steps() const { return least_; }
  /// The fewest rounds found for so many chunks a block in so many steps; none if the steps are too few.
  std::optional<StepPoint> fewest_rounds(int chunks, int steps);
  /// The points with at most `most_chunks` chunks a block and `most_steps` steps that no other one beats: each has fewer rounds a chunk than all
  /// with as few steps and rounds. Ends early where `least_ratio` rounds a chunk are reached, which no number of steps beats.
  std::vector<StepPoint> frontier(int most_chunks, int most_steps, double least_ratio);
  /// No more chunks fit into so many steps and rounds, by linear program; none if that is too large or gave up.
  std::optional<double> most_chunks(int steps, int rounds);

 private:
  // Of the programs for so many steps: do senders that look alike share columns, and how many pieces have columns of their own?
  struct ProgramSize {
    int steps = 0;
    bool alike = true;
    int pieces = 1;
    auto operator<=>(const ProgramSize&) const = default;
  };
  StepProgram* program(const ProgramSize& size);
  SearchAnswer look(int chunks, int steps, int rounds, StepPlan& plan);
  std::optional<StepPoint> most_in(int steps, int rounds, int most_chunks_asked);
  void quick_points(std::vector<StepPoint>& points, int most_chunks_asked, int steps);
  bool stopped() const { return effort_.stop && effort_.stop(); }

  const StepModel& model_;
  const StepTask& task_;
  StepEffort effort_;
  int least_;
  std::vector<Renumbering> symmetry_;
  std::map<ProgramSize, std::unique_ptr<StepProgram>> programs_;
  double best_ratio_ = 0;  // rounds a chunk, of a frontier so far
};

}  // namespace p2plab
