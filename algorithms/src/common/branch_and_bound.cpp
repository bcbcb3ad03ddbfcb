// SPDX-License-Identifier: Apache-2.0
#include "common/branch_and_bound.h"

#include <cmath>

namespace p2plab {

namespace {

constexpr double integer_tolerance = 1e-6;  // how near to a whole number counts as one

bool is_whole(double value) { return std::abs(value - std::round(value)) < integer_tolerance; }

}  // namespace

BranchAndBound::BranchAndBound(LinearProgram& program, int columns, int first, CutSource cuts)
    : program_(program), bounds_(static_cast<std::size_t>(columns)), first_(first), cuts_(std::move(cuts)) {}

void BranchAndBound::bound(int column, double lower, double upper) {
  bounds_[static_cast<std::size_t>(column)] = {lower, upper};
  program_.set_bounds(column, lower, upper);
}

SearchAnswer BranchAndBound::solve() {
  while (true) {
    if (stop_ && stop_()) return SearchAnswer::unknown;
    if (!program_.solve()) return program_.infeasible() ? SearchAnswer::impossible : SearchAnswer::unknown;
    if (!cuts_ || !cuts_()) return SearchAnswer::found;
  }
}

SearchAnswer BranchAndBound::search(int nodes, const std::function<bool()>& accept) {
  nodes_left_ = nodes;
  return descend(accept);
}

// Of the columns that come first the first one; of the others the one that is nearest above to the next whole number.
std::optional<int> BranchAndBound::fractional_column() const {
  std::optional<int> best;
  double most = 0;
  for (int c = 0; c < static_cast<int>(bounds_.size()); ++c) {
    const double value = program_.value(c);
    const double rest = value - std::floor(value);
    if (is_whole(value)) continue;
    if (c < first_) return c;
    if (rest <= most) continue;
    most = rest;
    best = c;
  }
  return best;
}

SearchAnswer BranchAndBound::descend(const std::function<bool()>& accept) {
  if (--nodes_left_ < 0 || (stop_ && stop_())) return SearchAnswer::unknown;
  const auto column = fractional_column();
  if (!column) return accept() ? SearchAnswer::found : SearchAnswer::unknown;
  const double value = program_.value(*column);
  const auto before = bounds_[static_cast<std::size_t>(*column)];
  auto answer = SearchAnswer::impossible;
  for (const bool up : {true, false}) {
    bound(*column, up ? std::ceil(value) : before.lower, up ? before.upper : std::floor(value));
    auto branch = solve();
    if (branch == SearchAnswer::found) branch = descend(accept);
    if (branch == SearchAnswer::found) return branch;
    if (branch == SearchAnswer::unknown) answer = branch;
    if (nodes_left_ < 0) break;
  }
  bound(*column, before.lower, before.upper);
  return answer;
}

}  // namespace p2plab
