// SPDX-License-Identifier: Apache-2.0
#include "p2plab/detail/linear_program.h"

#include <vector>

#include <Clp_C_Interface.h>

namespace p2plab {

struct LinearProgram::Model {
  Clp_Simplex* clp = Clp_newModel();
  // Rows not yet handed over: adding them one by one costs a copy of the matrix each.
  std::vector<double> lower, upper, factors;
  std::vector<CoinBigIndex> starts = {0};
  std::vector<int> columns;
  bool solved = false;
  bool new_columns = false;

  Model() = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  ~Model() { Clp_deleteModel(clp); }

  void hand_over() {
    if (lower.empty()) return;
    Clp_addRows(clp, static_cast<int>(lower.size()), lower.data(), upper.data(), starts.data(), columns.data(), factors.data());
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
  Clp_setLogLevel(model_->clp, 0);
  Clp_loadProblem(model_->clp, columns, 0, starts.data(), nullptr, nullptr, lower.data(), upper.data(), objective.data(), nullptr, nullptr);
  Clp_setObjSense(model_->clp, -1);
  Clp_setPrimalTolerance(model_->clp, 1e-9);
  Clp_setDualTolerance(model_->clp, 1e-9);
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
  const CoinBigIndex starts[] = {0, static_cast<CoinBigIndex>(rows.size())};
  Clp_addColumns(model_->clp, 1, &lower, &unbounded, &objective, starts, rows.data(), factors.data());
  model_->new_columns = true;
}

void LinearProgram::set_bounds(int column, double lower, double upper) {
  Clp_columnLower(model_->clp)[column] = lower;
  Clp_columnUpper(model_->clp)[column] = upper;
}

bool LinearProgram::solve() {
  model_->hand_over();
  // New columns leave the last solution primal feasible, new rows leave it dual feasible.
  if (!model_->solved) {
    Clp_initialSolve(model_->clp);
  } else if (model_->new_columns) {
    Clp_primal(model_->clp, 0);
  } else {
    Clp_dual(model_->clp, 0);
  }
  model_->solved = true;
  model_->new_columns = false;
  return Clp_status(model_->clp) == 0;
}

bool LinearProgram::infeasible() const { return Clp_status(model_->clp) == 1; }
double LinearProgram::objective() const { return Clp_objectiveValue(model_->clp); }
double LinearProgram::value(int column) const { return Clp_getColSolution(model_->clp)[column]; }
double LinearProgram::price(int row) const { return Clp_getRowPrice(model_->clp)[row]; }

}  // namespace p2plab
