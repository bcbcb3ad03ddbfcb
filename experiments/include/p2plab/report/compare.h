// SPDX-License-Identifier: Apache-2.0
// Reports beside a baseline: like with like, and whether what differs is more than chance.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "p2plab/report/report.h"

namespace p2plab {

/// A row of two reports that agree in place in a sweep, collective, algorithm, executor, clock, ranks, dtype, size and placement.
struct ComparedRow {
  Row a;
  Row b;
  /// Time of b / time of a: below 1, b is faster. None where one has no time.
  std::optional<double> ratio() const;
};

/// Time of b / time of a over several rows (geometric mean), and what chance leaves of it. Simulated times have no chance: these have no interval.
struct TimeRatio {
  double value = 1;
  std::optional<double> low = std::nullopt;  // of 95 %, by the repeats
  std::optional<double> high = std::nullopt;
};

/// Sizes in a row at which one algorithm takes longer, or less long, in b.
struct Difference {
  Axes axes = {};
  CollectiveKind collective = CollectiveKind::all_reduce;
  std::string algorithm = {};
  Bytes first{0};
  Bytes last{0};
  bool from_least = false;   // no smaller size was compared
  bool to_greatest = false;  // no larger one was
  TimeRatio ratio = {};
  /// How probable so much would be without a difference above 1 %, times the number of ranges that were looked at. None for simulated times.
  std::optional<double> p = std::nullopt;
};

/// How the times of one executor compare: figures of different clocks, or of NCCL's formula and a simulation, are never mixed.
struct Verdict {
  std::string executor;
  std::size_t rows = 0;      // that were judged
  std::size_t unjudged = 0;  // by a device's clock and without repeats: nothing tells what of them is chance
  TimeRatio mean = {};       // of all that were judged
  std::vector<Difference> differences = {};
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
  ///
  /// A device's times: the logarithms of a row's repeats are compared by Yuen's test (Welch's t-test of means without the fifth at either end), rows
  /// of one algorithm at sizes in a row together. A range of sizes differs if its p, times the number of all ranges (Bonferroni), is below 0.01,
  /// where the null hypothesis is a difference of 1 % at most: so much lies between two runs of one machine. Simulated times differ if they do by
  /// 0.05 % or more.
  std::vector<Verdict> verdicts() const;
};

/// Joins the rows of two reports.
Comparison compare(const Report& a, const Report& b);

/// A table of the joined rows and a sentence for each executor and report; all have one `a`.
std::string to_text(std::span<const Comparison> comparisons, const TextLayout& layout = {});
/// An object with `baseline` (name, machine) and `reports`: of each `name`, `machine`, `rows`, `only_baseline`, `only_here` (counts), `verdicts`
/// (executor, rows, unjudged, ratio, low, high, differences).
std::string to_json(std::span<const Comparison> comparisons);

/// What takes longer than `factor` x the baseline's time, in words; empty if nothing does. What NCCL's formula says is no time of ours.
std::vector<std::string> slower_than(double factor, std::span<const Comparison> comparisons);

}  // namespace p2plab
