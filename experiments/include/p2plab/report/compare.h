// SPDX-License-Identifier: Apache-2.0
// Two reports side by side.
#pragma once

#include <optional>
#include <string>
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

/// How the times of one executor compare: figures of different clocks, or of NCCL's formula and a simulation, are never averaged.
struct MeanRatio {
  std::string executor;
  std::size_t rows = 0;
  double ratio = 1;  // geometric mean
};

/// What a report is of.
struct ComparedReport {
  std::string name;
  std::string machine;
};

struct Comparison {
  ComparedReport a;
  ComparedReport b;
  std::vector<ComparedRow> rows = {};  // in the order of a
  std::vector<Row> only_a = {};
  std::vector<Row> only_b = {};
  /// One for each executor with times in both reports, in the order of a; CPU threads, whose times say nothing about a machine, are left out.
  std::vector<MeanRatio> mean_ratios() const;
};

/// Joins the rows of two reports.
Comparison compare(const Report& a, const Report& b);

/// A table of the joined rows and a sentence for each executor.
std::string to_text(const Comparison& comparison);
/// An object with `a`, `b` (name, machine), `rows`, `only_a`, `only_b` (counts) and `mean_ratios` (executor, rows, ratio).
std::string to_json(const Comparison& comparison);

}  // namespace p2plab
