// SPDX-License-Identifier: Apache-2.0
// A linear program that grows by rows and columns; COIN-OR CLP behind it.
#pragma once

#include <functional>
#include <limits>
#include <memory>
#include <span>

namespace p2plab {

/// Maximises an objective over columns >= 0. Coefficients should be near 1: the tolerance is 1e-9, absolute. The same calls give the same answers.
class LinearProgram {
 public:
  static constexpr double unbounded = std::numeric_limits<double>::infinity();

  /// One coefficient: of a column in a row, or of a row in a column.
  struct Term {
    int index;
    double factor;
  };

  /// `objective` and `upper` (which may be `unbounded`) by column.
  LinearProgram(std::span<const double> objective, std::span<const double> upper);
  ~LinearProgram();
  LinearProgram(const LinearProgram&) = delete;
  LinearProgram& operator=(const LinearProgram&) = delete;

  /// Adds lower <= sum of terms <= upper; terms name columns, none twice.
  void add_row(double lower, std::span<const Term> terms, double upper);
  /// Adds a column without upper bound; terms name rows, none twice.
  void add_column(double objective, std::span<const Term> terms);
  /// From now on lower <= column <= upper.
  void set_bounds(int column, double lower, double upper);
  /// `solve` gives up once `stop`, asked again and again, says so; empty: never.
  void stop_when(std::function<bool()> stop);
  /// Solves with all rows and columns so far, from the last solution; false if it has no optimum or the solver gives up.
  bool solve();
  /// After a `solve` that returned false: is it proved that no values satisfy all rows?
  bool infeasible() const;

  /// After a successful `solve`.
  double objective() const;
  double value(int column) const;
  /// What the objective gains for each unit by which the row's active bound is raised.
  double price(int row) const;

 private:
  struct Model;
  std::unique_ptr<Model> model_;
};

}  // namespace p2plab
