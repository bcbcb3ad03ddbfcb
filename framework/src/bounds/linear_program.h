// A linear program that grows by rows; COIN-OR CLP behind it.
#pragma once

#include <limits>
#include <memory>
#include <span>
#include <vector>

namespace p2plab::bounds {

inline constexpr double unbounded = std::numeric_limits<double>::infinity();

/// One coefficient of a row.
struct Term {
  int column;
  double factor;
};

/// Maximises the objective over columns >= 0. Coefficients should be near 1: the tolerance is 1e-9, absolute.
class LinearProgram {
 public:
  /// `objective` and `upper` (which may be `unbounded`) by column.
  LinearProgram(std::span<const double> objective, std::span<const double> upper);
  ~LinearProgram();
  LinearProgram(const LinearProgram&) = delete;
  LinearProgram& operator=(const LinearProgram&) = delete;

  /// Adds lower <= sum of terms <= upper. No column twice.
  void add_row(double lower, std::span<const Term> terms, double upper);
  /// Solves with all rows so far, from the last solution; false if it has no optimum or the solver gives up.
  bool solve();
  /// After a successful `solve`.
  double objective() const;
  double value(int column) const;

 private:
  struct Model;
  std::unique_ptr<Model> model_;
};

}  // namespace p2plab::bounds
