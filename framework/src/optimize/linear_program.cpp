// SPDX-License-Identifier: Apache-2.0
#include "p2plab/detail/linear_program.h"

#include <array>
#include <utility>
#include <vector>

#include <ClpEventHandler.hpp>
#include <ClpSimplex.hpp>

namespace p2plab {

namespace {

// Asked by the solver after each of its steps.
class Stopper : public ClpEventHandler {
 public:
  explicit Stopper(std::function<bool()> stop) : stop_(std::move(stop)) {}
  int event(Event what) override {
    constexpr int often = 16;  // steps take from a microsecond to some milliseconds
    constexpr int end = 5;
    return what == endOfIteration && ++steps_ % often == 0 && stop_() ? end : -1;
  }
  ClpEventHandler* clone() const override { return new Stopper(*this); }

 private:
  std::function<bool()> stop_;
  int steps_ = 0;
};

}  // namespace

struct LinearProgram::Model {
  ClpSimplex clp;
  // Rows not yet handed over: adding them one by one costs a copy of the matrix each.
  std::vector<double> lower, upper, factors;
  std::vector<CoinBigIndex> starts = {0};
  std::vector<int> columns;
  bool solved = false;
  bool new_columns = false;

  void hand_over() {
    if (lower.empty()) return;
    clp.addRows(static_cast<int>(lower.size()), lower.data(), upper.data(), starts.data(), columns.data(), factors.data());
    lower.clear();
    upper.clear();
    factors.clear();
    columns.clear();
    starts.assign(1, 0);
  }
};

LinearProgram::LinearProgram(std::span<const double> objective, std::span<const double> upper) : model_(std::make_unique<Model>()) {
  const auto columns = static_cast<int>(objective.size());
  const std::vector<double> lower(objective.size(), 0.0);
  const std::vector<CoinBigIndex> starts(objective.size() + 1, 0);
  auto& clp = model_->clp;
  clp.setLogLevel(0);
  clp.loadProblem(columns, 0, starts.data(), nullptr, nullptr, lower.data(), upper.data(), objective.data(), nullptr, nullptr);
  clp.setOptimizationDirection(-1);
  clp.setPrimalTolerance(1e-9);
  clp.setDualTolerance(1e-9);
}

LinearProgram::~LinearProgram() = default;

void LinearProgram::add_row(double lower, std::span<const Term> terms, double upper) {
  model_->lower.push_back(lower);
  model_->upper.push_back(upper);
  for (const auto& term : terms) {
    model_->columns.push_back(term.index);
    model_->factors.push_back(term.factor);
  }
  model_->starts.push_back(static_cast<CoinBigIndex>(model_->columns.size()));
}

void LinearProgram::add_column(double objective, std::span<const Term> terms) {
  model_->hand_over();
  std::vector<int> rows;
  std::vector<double> factors;
  for (const auto& term : terms) {
    rows.push_back(term.index);
    factors.push_back(term.factor);
  }
  const double lower = 0;
  const std::array<CoinBigIndex, 2> starts{0, static_cast<CoinBigIndex>(rows.size())};
  model_->clp.addColumns(1, &lower, &unbounded, &objective, starts.data(), rows.data(), factors.data());
  model_->new_columns = true;
}

void LinearProgram::set_bounds(int column, double lower, double upper) {
  model_->clp.columnLower()[column] = lower;
  model_->clp.columnUpper()[column] = upper;
}

void LinearProgram::stop_when(std::function<bool()> stop) {
  if (!stop) return;
  Stopper stopper(std::move(stop));
  model_->clp.passInEventHandler(&stopper);
}

bool LinearProgram::solve() {
  model_->hand_over();
  // New columns leave the last solution primal feasible, new rows leave it dual feasible.
  if (!model_->solved) {
    model_->clp.initialSolve();
  } else if (model_->new_columns) {
    model_->clp.primal(0);
  } else {
    model_->clp.dual(0);
  }
  model_->solved = true;
  model_->new_columns = false;
  return model_->clp.status() == 0;
}

bool LinearProgram::infeasible() const { return model_->clp.status() == 1; }
double LinearProgram::objective() const { return model_->clp.objectiveValue(); }
double LinearProgram::value(int column) const { return model_->clp.getColSolution()[column]; }
double LinearProgram::price(int row) const { return model_->clp.getRowPrice()[row]; }

}  // namespace p2plab
