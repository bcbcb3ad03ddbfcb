// SPDX-License-Identifier: Apache-2.0
// Two reports side by side.
#pragma once

#include <optional>
#include <vector>

#include "p2plab/report/report.h"

namespace p2plab {

/// A row of two reports that agree in collective, algorithm, executor, ranks, dtype, size and placement.
struct ComparedRow {
  Row a;
  Row b;
  /// Time of b / time of a: below 1, b is faster. None where one has no time.
  std::optional<double> ratio() const;
};

struct Comparison {
  std::vector<ComparedRow> rows;  // in the order of a
  std::vector<Row> only_a = {};
  std::vector<Row> only_b = {};
  /// Geometric mean of the ratios; none if there are none.
  std::optional<double> mean_ratio() const;
};

/// Joins the rows of two reports.
Comparison compare(const Report& a, const Report& b);

/// A table of the joined rows and a sentence.
std::string to_text(const Comparison& comparison);
/// An object with `rows`, `only_a`, `only_b` (counts) and `mean_ratio`.
std::string to_json(const Comparison& comparison);

}  // namespace p2plab
