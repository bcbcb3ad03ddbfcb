// SPDX-License-Identifier: Apache-2.0
#include "p2plab/simulator/utilisation.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "p2plab/detail/csv.h"

namespace p2plab {

namespace {

constexpr std::size_t most_rows = 400;

double mean(const Utilisation& heatmap, std::size_t row) {
  double sum = 0;
  for (int c = 0; c < heatmap.columns; ++c) sum += heatmap.busy[row * static_cast<std::size_t>(heatmap.columns) + static_cast<std::size_t>(c)];
  return sum / heatmap.columns;
}

std::string xml_text(const std::string& text) {
  std::string result;
  for (const char letter : text) {
    if (letter == '<')
      result += "&lt;";
    else if (letter == '>')
      result += "&gt;";
    else if (letter == '&')
      result += "&amp;";
    else if (letter == '"')
      result += "&quot;";
    else
      result += static_cast<unsigned char>(letter) < 0x20 ? ' ' : letter;
  }
  return result;
}

// From white to dark red.
std::string colour(double busy) {
  const auto channel = [&](double least) { return static_cast<int>(std::lround(255 - (255 - least) * std::clamp(busy, 0.0, 1.0))); };
  return fmt::format("#{:02x}{:02x}{:02x}", channel(160), channel(20), channel(30));
}

std::vector<std::size_t> shown_rows(const Utilisation& heatmap) {
  std::vector<std::size_t> rows(heatmap.names.size());
  for (std::size_t r = 0; r < rows.size(); ++r) rows[r] = r;
  if (rows.size() <= most_rows) return rows;
  std::ranges::stable_sort(rows, std::greater<>{}, [&](std::size_t r) { return mean(heatmap, r); });
  rows.resize(most_rows);
  std::ranges::sort(rows);
  return rows;
}

}  // namespace

Utilisation utilisation(const SimResult& result, int columns) {
  expects(columns >= 1);
  Utilisation heatmap{.makespan = result.makespan, .columns = columns, .names = {}, .busy = {}};
  std::vector<std::size_t> row_of(result.uses.size(), 0);
  std::vector<bool> carried(result.uses.size(), false);
  for (const auto& hop : result.recording.hops) carried[hop.resource] = true;
  for (std::size_t r = 0; r < result.uses.size(); ++r) {
    if (!carried[r]) continue;
    row_of[r] = heatmap.names.size();
    heatmap.names.push_back(result.uses[r].name);
  }
  const auto width = static_cast<std::size_t>(columns);
  heatmap.busy.assign(heatmap.names.size() * width, 0);
  if (result.makespan.count() <= 0) return heatmap;
  const double column = static_cast<double>(result.makespan.count()) / columns;
  for (const auto& hop : result.recording.hops) {
    const double start = static_cast<double>(hop.start.count()) / column;
    const double end = static_cast<double>(hop.end.count()) / column;
    for (auto c = static_cast<std::size_t>(start); c < width && static_cast<double>(c) < end; ++c) {
      const auto left = std::max(start, static_cast<double>(c));
      heatmap.busy[row_of[hop.resource] * width + c] += std::min(end, static_cast<double>(c + 1)) - left;
    }
  }
  return heatmap;
}

std::string to_csv(const Utilisation& heatmap) {
  std::string text = "resource";
  const auto width = static_cast<std::size_t>(heatmap.columns);
  for (std::size_t c = 0; c < width; ++c) {
    text += fmt::format(",{:.3f}", microseconds(to_seconds(heatmap.makespan)) * static_cast<double>(c) / static_cast<double>(width));
  }
  for (std::size_t r = 0; r < heatmap.names.size(); ++r) {
    text += "\n" + csv_quoted(heatmap.names[r]);
    for (std::size_t c = 0; c < width; ++c) text += fmt::format(",{:.4f}", heatmap.busy[r * width + c]);
  }
  return text + "\n";
}

std::string to_svg(const Utilisation& heatmap) {
  constexpr int left = 220;
  constexpr int cell_height = 12;
  constexpr int map_width = 700;
  const auto rows = shown_rows(heatmap);
  const auto width = static_cast<std::size_t>(heatmap.columns);
  const double cell = static_cast<double>(map_width) / heatmap.columns;
  const auto height = static_cast<int>(rows.size()) * cell_height;
  auto svg = fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" font-family=\"sans-serif\" font-size=\"10\">\n",
                         left + map_width + 60, height + 40);
  svg += fmt::format("<rect x=\"{}\" y=\"14\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"#888\"/>\n", left, map_width, height);
  for (std::size_t line = 0; line < rows.size(); ++line) {
    const auto r = rows[line];
    const int y = 14 + static_cast<int>(line) * cell_height;
    svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n", left - 6, y + 9, xml_text(heatmap.names[r]));
    for (std::size_t c = 0; c < width; ++c) {
      const auto busy = heatmap.busy[r * width + c];
      if (busy < 0.005) continue;
      svg += fmt::format("<rect x=\"{:.2f}\" y=\"{}\" width=\"{:.2f}\" height=\"{}\" fill=\"{}\"/>\n", left + static_cast<double>(c) * cell, y, cell,
                         cell_height, colour(busy));
    }
    svg += fmt::format("<text x=\"{}\" y=\"{}\">{:.0f} %</text>\n", left + map_width + 6, y + 9, 100 * mean(heatmap, r));
  }
  svg += fmt::format("<text x=\"{}\" y=\"{}\">0 us</text><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{:.2f} us</text>\n</svg>\n", left, height + 28,
                     left + map_width, height + 28, microseconds(to_seconds(heatmap.makespan)));
  return svg;
}

}  // namespace p2plab
