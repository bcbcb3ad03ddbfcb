// SPDX-License-Identifier: Apache-2.0
// Least squares with the interval of each unknown.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>

#include <Eigen/Dense>

#include "p2plab/experiment/calibrate.h"

namespace p2plab {

/// Student's t for 95 % on both sides, by degrees of freedom from 1 on; beyond the table the normal distribution's.
inline double student(Eigen::Index freedom) {
  constexpr std::array quantiles{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
                                 2.120,  2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042};
  const auto place = static_cast<std::size_t>(std::max<Eigen::Index>(freedom, 1)) - 1;
  return place < quantiles.size() ? quantiles[place] : 1.96;
}

template <int Unknowns>
using Design = Eigen::Matrix<double, Eigen::Dynamic, Unknowns>;

/// Solves design * x = observed by least squares; each unknown with its interval. The columns must be of like size: by the normal equations, with
/// products written out, because Eigen's decompositions and blocked products of any size take half a minute to compile.
template <int Unknowns>
std::array<Estimate, Unknowns> least_squares(const Design<Unknowns>& design, const Eigen::VectorXd& observed) {
  using Square = Eigen::Matrix<double, Unknowns, Unknowns>;
  const Square inverse = Square(design.transpose().lazyProduct(design)).inverse();
  const Eigen::Matrix<double, Unknowns, 1> solution = inverse * design.transpose().lazyProduct(observed);
  const auto freedom = design.rows() - Unknowns;
  const double variance = freedom > 0 ? (observed - design.lazyProduct(solution)).squaredNorm() / static_cast<double>(freedom) : 0;
  std::array<Estimate, Unknowns> all;
  for (int i = 0; i < Unknowns; ++i) {
    const double reach = student(freedom) * std::sqrt(std::max(inverse(i, i) * variance, 0.0));
    all[static_cast<std::size_t>(i)] = {solution(i), solution(i) - reach, solution(i) + reach};
  }
  return all;
}

}  // namespace p2plab
