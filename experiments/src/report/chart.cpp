// SPDX-License-Identifier: Apache-2.0
#include "report/chart.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

namespace p2plab {

namespace {

constexpr double width = 760;
constexpr double height = 400;
constexpr double left = 70;
constexpr double right = 190;  // room for the legend
constexpr double top = 36;
constexpr double bottom = 48;
// Distinct for colour-blind readers too (Okabe and Ito's palette).
constexpr std::array colours{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c6d31"};

// From values to places on one axis, by the logarithm.
class Axis {
 public:
  Axis(double least, double most, double from, double to) : least_(std::log(least)), span_(std::log(most) - std::log(least)), from_(from), to_(to) {}
  double operator()(double value) const { return span_ > 0 ? from_ + (std::log(value) - least_) / span_ * (to_ - from_) : (from_ + to_) / 2; }

 private:
  double least_, span_, from_, to_;
};

std::string line(double x1, double y1, double x2, double y2) {
  return fmt::format("<line x1='{:.1f}' y1='{:.1f}' x2='{:.1f}' y2='{:.1f}' stroke='#ddd'/>\n", x1, y1, x2, y2);
}

std::string label(double x, double y, const char* anchor, const std::string& text) {
  return fmt::format("<text x='{:.1f}' y='{:.1f}' text-anchor='{}'>{}</text>\n", x, y, anchor, escape_html(text));
}

std::string grid(const Chart& chart, const Axis& x, const Axis& y, double least, double most) {
  std::string svg;
  for (double power = std::pow(10, std::floor(std::log10(least))); power <= most * 1.0001; power *= 10) {
    if (power < least * 0.9999) continue;
    svg += line(left, y(power), width - right, y(power));
    svg += label(left - 6, y(power) + 4, "end", fmt::format("{:g}", power));
  }
  // Every tick gets a line, as many labels as fit.
  const auto stride = std::max<std::size_t>(1, (chart.x_ticks.size() + 7) / 8);
  for (std::size_t t = 0; t < chart.x_ticks.size(); ++t) {
    const auto& [value, text] = chart.x_ticks[t];
    svg += line(x(value), top, x(value), height - bottom);
    if (t % stride == 0) svg += label(x(value), height - bottom + 18, "middle", text);
  }
  return svg;
}

std::string curve(const Series& series, const char* colour, const Axis& x, const Axis& y) {
  std::string points;
  std::string marks;
  for (const auto& [px, py] : series.points) {
    if (px <= 0 || py <= 0) continue;
    points += fmt::format("{:.1f},{:.1f} ", x(px), y(py));
    marks += fmt::format("<circle cx='{:.1f}' cy='{:.1f}' r='2.5' fill='{}'><title>{}: {:g}</title></circle>\n", x(px), y(py), colour,
                         escape_html(series.name), py);
  }
  return fmt::format("<polyline fill='none' stroke='{}' stroke-width='1.5' points='{}'/>\n{}", colour, points, marks);
}

}  // namespace

std::string escape_html(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '&': safe += "&amp;"; break;
      case '<': safe += "&lt;"; break;
      case '>': safe += "&gt;"; break;
      case '"': safe += "&quot;"; break;
      case '\'': safe += "&#39;"; break;
      default: safe += c;
    }
  }
  return safe;
}

std::string to_svg(const Chart& chart) {
  double least_x = 0, most_x = 0, least_y = 0, most_y = 0;
  bool any = false;
  for (const auto& series : chart.series) {
    for (const auto& [x, y] : series.points) {
      if (x <= 0 || y <= 0) continue;
      least_x = any ? std::min(least_x, x) : x;
      most_x = any ? std::max(most_x, x) : x;
      least_y = any ? std::min(least_y, y) : y;
      most_y = any ? std::max(most_y, y) : y;
      any = true;
    }
  }
  if (!any) return {};
  const Axis x(least_x, most_x, left, width - right);
  const Axis y(least_y, most_y, height - bottom, top);
  std::string svg =
      fmt::format("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {} {}' width='{}' height='{}' role='img'>\n", width, height, width, height);
  svg += fmt::format("<text x='{}' y='20' font-weight='bold'>{}</text>\n", left, escape_html(chart.title + ", " + chart.y_label));
  svg += grid(chart, x, y, least_y, most_y);
  for (std::size_t s = 0; s < chart.series.size(); ++s) {
    const auto* colour = colours[s % colours.size()];
    svg += curve(chart.series[s], colour, x, y);
    const double at = top + 12 + 18 * static_cast<double>(s);
    svg += fmt::format("<rect x='{:.1f}' y='{:.1f}' width='12' height='4' fill='{}'/>\n", width - right + 14, at - 6, colour);
    svg += label(width - right + 32, at, "start", chart.series[s].name);
  }
  return svg + "</svg>\n";
}

}  // namespace p2plab
