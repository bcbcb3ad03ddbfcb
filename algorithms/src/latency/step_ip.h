// SPDX-License-Identifier: Apache-2.0
// The question "do C chunks a block fit into S steps of R rounds?" as an integer program over how often each transfer is used in each step.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "common/branch_and_bound.h"
#include "latency/symmetry.h"
#include "latency/tree_extraction.h"

namespace p2plab {

/// One task in a given number of steps, for any number of chunks and rounds. Senders that the symmetry maps onto each other share their columns.
/// That each receiver can be sent all chunks of a sender is kept by cuts, found by maximum flow through ranks and steps. Whole numbers are found by
/// branch and bound. They need not be trees where several chunks of a sender share columns (two chunks at three ranks: two ranks have the same one),
/// so there is a second, larger formulation with columns for each of `pieces` parts of the chunks: with one chunk a part, whole numbers are trees.
class StepProgram {
 public:
  StepProgram(const StepModel& model, const StepTask& task, std::vector<Renumbering> symmetry, int steps, int pieces = 1);

  /// Asked now and then; where it says true, answers are `unknown` or none from then on.
  void stop_when(const std::function<bool()>& stop) { branching_->stop_when(stop); }

  /// Columns of the program: how large it is.
  std::size_t columns() const { return uses_.size(); }
  /// No more chunks fit into `rounds` rounds, integral or fractional; none if the solver gives up.
  std::optional<double> most_chunks(int rounds);
  /// Looks for whole numbers (of `chunks`, a multiple of the pieces), in at most `nodes` nodes of the search. `impossible` is proved: where several
  /// senders share columns, only if the program without whole numbers has no solution.
  SearchAnswer find(int chunks, int rounds, int nodes);
  /// What the last `find` that found something found.
  const StepPlan& plan() const& { return plan_; }
  const StepPlan& plan() && = delete;

 private:
  struct Use {
    std::size_t sender = 0;  // index into senders_
    int arc = 0;
    int step = 0;
  };

  // Column 0: chunks a block; then the rounds of each step (from 1), all rounds together, the uses.
  static int rounds_column(int step) { return step; }
  int all_rounds_column() const { return steps_ + 1; }
  int use_column(std::size_t use) const { return steps_ + 2 + static_cast<int>(use); }
  const StepArc& arc(const Use& use) const { return model_.arcs[static_cast<std::size_t>(use.arc)]; }
  bool useful(int sender, const StepArc& arc, int step) const;
  void list_uses();
  std::map<int, double> times_taken(std::size_t resource) const;
  void add_capacities();
  void add_tree_rows(std::size_t sender);
  std::vector<LinearProgram::Term> sent_less_got(std::size_t sender, int rank, int step) const;
  void add_flow_rows(std::size_t sender);
  void ask(double least_chunks, double most_chunks, int rounds);
  bool add_cuts();
  bool add_cuts_of(std::size_t sender);
  bool extract();
  std::vector<StepUse> uses_of(std::size_t sender) const;

  const StepModel& model_;
  const StepTask& task_;
  std::vector<Renumbering> symmetry_;
  int steps_;
  int pieces_;
  std::vector<int> senders_;  // each once for every piece
  std::vector<Use> uses_;
  std::unique_ptr<LinearProgram> program_;
  std::unique_ptr<BranchAndBound> branching_;
  int chunks_ = 0;  // of each piece, in the question at hand
  StepPlan plan_;
};

}  // namespace p2plab
