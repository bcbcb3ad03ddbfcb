// SPDX-License-Identifier: Apache-2.0
// Whole numbers for the columns of a linear program, by branch and bound with cuts.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "p2plab/detail/linear_program.h"

namespace p2plab {

/// What a search found out.
enum class SearchAnswer { found, impossible, unknown };

/// Searches depth first; the same program gives the same answer.
class BranchAndBound {
 public:
  /// Called after each solution: adds rows that it violates, true if there were any.
  using CutSource = std::function<bool()>;

  /// Columns up to `first` (excluded) are made whole before the others. `program` must outlive the search.
  BranchAndBound(LinearProgram& program, int columns, int first, CutSource cuts);

  /// Asked between solutions; where it says true, answers are `unknown` from then on. Empty: never.
  void stop_when(std::function<bool()> stop) { stop_ = std::move(stop); }

  /// From now on lower <= column <= upper.
  void bound(int column, double lower, double upper);
  /// `found`: the program has a solution, fractional or whole; `impossible` is proved.
  SearchAnswer solve();
  /// After a `solve` that found a solution: looks for a whole one that `accept` takes, in at most `nodes` nodes.
  SearchAnswer search(int nodes, const std::function<bool()>& accept);

 private:
  struct Bounds {
    double lower = 0;
    double upper = 0;
  };
  SearchAnswer descend(const std::function<bool()>& accept);
  std::optional<int> fractional_column() const;

  LinearProgram& program_;
  std::vector<Bounds> bounds_;
  int first_;
  CutSource cuts_;
  std::function<bool()> stop_;
  int nodes_left_ = 0;
};

}  // namespace p2plab
