// SPDX-License-Identifier: Apache-2.0
// A config with a matrix: one experiment for each combination of its axes' values.
#pragma once

#include <functional>
#include <optional>
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

/// Keeps the finished cells of a sweep, and says which of the others this process is to do. Cells are numbered in the sweep's order.
class CellKeeper {
 public:
  virtual ~CellKeeper() = default;
  /// Is the cell finished?
  virtual bool kept(std::size_t cell) = 0;
  /// True if this process is to do the cell, which then nobody else does; false also if it has been finished meanwhile.
  virtual bool claim(std::size_t cell) = 0;
  /// Keeps a claimed cell's report; one that was interrupted leaves the cell unfinished. A keeper may put attachments where they belong at once, and
  /// then `take` gives none. Errors: io.
  virtual Status keep(std::size_t cell, const Report& report) = 0;
  /// What is kept of a cell; none if there is nothing.
  virtual std::optional<Report> take(std::size_t cell) = 0;
};

/// What the names of a cell's attachments begin with in the folder of a sweep: "3_4-GPUs_half_"; nothing where there are no axes.
std::string attachment_prefix(const Sweep& sweep, std::size_t cell);

/// Does the cells that are neither kept nor claimed by others, until all are kept or `stop` answers true. Errors: those of `run`; io.
Status run_cells(const Sweep& sweep, CellKeeper& keeper, Progress& progress, const std::function<bool()>& stop = {}, bool traces = true);

/// The report of what is kept, the same as `run` of the sweep gives.
Report report_of(const Sweep& sweep, CellKeeper& keeper);

/// Runs every cell as `run` of its experiment does. The report's rows carry their axes; what was skipped and found names its cell, or stands once
/// ("each cell: ...") where it is so in all of them; before what each cell found stands how the best plan changes along each axis. Errors: those of
/// `run`.
Result<Report> run(const Sweep& sweep, Progress& progress, const std::function<bool()>& stop = {}, bool traces = true);

}  // namespace p2plab
