// SPDX-License-Identifier: Apache-2.0
// How busy each link was over time: a heatmap, as numbers and as a picture.
#pragma once

#include <string>
#include <vector>

#include "p2plab/simulator/simulate.h"

namespace p2plab {

/// Equal parts of the makespan in columns, resources that carried anything in rows, in the order of SimResult::uses.
struct Utilisation {
  SimTime makespan{0};
  int columns = 0;
  std::vector<std::string> names;  // by row
  std::vector<double> busy;        // [row * columns + column]: the part of the column's time that the resource was busy, 0 to 1
};

/// `result` must hold a recording; `columns` at least 1. A row's mean is its resource's busy time over the makespan.
Utilisation utilisation(const SimResult& result, int columns);

/// A line per resource: its name, then a number per column; the header holds the columns' beginnings in microseconds.
std::string to_csv(const Utilisation& heatmap);
/// The same as one svg element: time to the right, darker is busier, with each row's mean. At most 400 rows, the busiest.
std::string to_svg(const Utilisation& heatmap);

}  // namespace p2plab
