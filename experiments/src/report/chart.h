// SPDX-License-Identifier: Apache-2.0
// Line charts with logarithmic axes as SVG text.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace p2plab {

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;  // both above 0, by rising x
};

struct Chart {
  std::string title;
  std::string y_label;
  std::vector<Series> series;
  std::vector<std::pair<double, std::string>> x_ticks;
};

/// The chart as one <svg> element; points that are not above 0 are left out. Empty if no point is left.
std::string to_svg(const Chart& chart);

/// Text made safe inside HTML and attribute values.
std::string escape_html(const std::string& text);

}  // namespace p2plab
