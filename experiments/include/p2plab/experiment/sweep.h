// SPDX-License-Identifier: Apache-2.0
// A config with a matrix: one experiment for each combination of its axes' values.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "p2plab/experiment/experiment.h"
#include "p2plab/report/axes.h"
#include "p2plab/report/progress.h"
#include "p2plab/report/report.h"

namespace p2plab {

struct SweepCell {
  Axes axes = {};
  Experiment experiment;
};

struct Sweep {
  std::string name;
  std::vector<SweepCell> cells = {};  // at least one; the last axis changes fastest
};

/// Reads a config. An axis of its `matrix` names values, each a map of the config's own keys, which stand in the place of those outside the matrix;
/// no key belongs to two axes. A config without a matrix has one cell without axes. Errors: all mistakes of all cells in one run, each with its
/// place; more than 1000 cells.
Result<Sweep> read_sweep(std::string_view text, const std::string& path);

/// Runs every cell as `run` of its experiment does. The report's rows carry their axes; what was skipped and found names its cell, or stands once
/// ("each cell: ...") where it is so in all of them; before what each cell found stands how the best plan changes along each axis. Errors: those of
/// `run`.
Result<Report> run(const Sweep& sweep, Progress& progress, const std::function<bool()>& stop = {});

}  // namespace p2plab
