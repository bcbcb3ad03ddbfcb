// SPDX-License-Identifier: Apache-2.0
// report.html: charts, table, provenance, in one file that loads nothing from elsewhere.
#include <algorithm>

#include <fmt/format.h>

#include "answers/spans.h"
#include "p2plab/base/quantity.h"
#include "p2plab/report/report.h"
#include "report/chart.h"

namespace p2plab {

namespace {

constexpr const char* style =
    "body{font-family:sans-serif;margin:2em;max-width:70em;color:#222}table{border-collapse:collapse;font-size:90%}"
    "th,td{padding:.15em .7em;text-align:right;border-bottom:1px solid "
    "#eee}td.name,th.name{text-align:left}tr.winner{background:#e8f4e8;font-weight:bold}"
    "svg{font-size:11px;display:block;margin:1em 0}ul{line-height:1.5}footer{color:#666;font-size:85%;margin-top:2em}";

// The rows of each cell of a sweep.
std::vector<Report> parts_of(const Report& report) {
  std::vector<Report> parts;
  for (const auto& row : report.rows) {
    auto part = std::ranges::find_if(parts, [&](const Report& each) { return each.rows.front().axes == row.axes; });
    if (part == parts.end()) part = parts.insert(part, Report{});
    part->rows.push_back(row);
  }
  return parts;
}

// One line per algorithm for the simulator and for each device; host times say nothing about GPUs.
Chart chart_of(const Report& report, CollectiveKind kind, bool rate) {
  Chart chart{std::string{to_string(kind)}, rate ? "busbw in GB/s" : "time in microseconds", {}, {}};
  for (const auto& row : report.rows) {
    if (row.collective != kind || row.clock() == Clock::host || !row.time()) continue;
    const auto name = row.clock() == Clock::simulated ? row.algorithm : fmt::format("{} on {}", row.algorithm, row.executor());
    auto series = std::ranges::find(chart.series, name, &Series::name);
    if (series == chart.series.end()) series = chart.series.insert(series, {name, {}});
    const auto size = static_cast<double>(row.size.count());
    series->points.emplace_back(size, rate ? row.busbw_gbps().value_or(0) : microseconds(*row.time()));
    const std::pair tick{size, to_string(row.size)};
    if (size > 0 && std::ranges::find(chart.x_ticks, tick) == chart.x_ticks.end()) chart.x_ticks.push_back(tick);
  }
  std::ranges::sort(chart.x_ticks);
  return chart;
}

std::string cell(std::optional<double> value) { return fmt::format("<td>{}</td>", value ? fmt::format("{:.2f}", *value) : "-"); }
std::string cell(std::optional<Seconds> value) { return cell(value ? std::optional<double>(microseconds(*value)) : std::nullopt); }
std::string name_cell(const std::string& text) { return fmt::format("<td class=name>{}</td>", escape_html(text)); }

// The prediction, with its interval where the profile has any.
std::string predicted_cell(const Row& row) {
  const auto interval = row.interval();
  if (!interval) return cell(row.predicted());
  return fmt::format("<td>{:.2f} <small>({:.2f} to {:.2f})</small></td>", microseconds(*row.predicted()), microseconds(interval->low),
                     microseconds(interval->high));
}

std::string row_html(const Row& row) {
  const auto algorithm = row.chosen.empty() ? row.algorithm : fmt::format("{} ({})", row.algorithm, row.chosen);
  const char* data = !row.data() ? "-" : row.data()->passed ? "ok" : "WRONG";
  return fmt::format("<tr{}><td>{}</td>{}{}{}{}{}{}{}{}<td>{}</td><td>{}</td><td>{}</td></tr>\n", row.winner ? " class=winner" : "",
                     to_string(row.size), name_cell(algorithm), name_cell(row.executor()), cell(row.time()), predicted_cell(row),
                     cell(row.algbw_gbps()), cell(row.busbw_gbps()), cell(row.error_pct()), cell(row.bound_pct()), row.channels,
                     row.verified ? "yes" : "no", data);
}

std::string table_html(const Report& report, CollectiveKind kind) {
  std::string html =
      "<table><tr><th>size</th><th class=name>algorithm</th><th class=name>executor</th><th>time us</th><th>predicted us</th><th>algbw GB/s</th>"
      "<th>busbw GB/s</th><th>error %</th><th>% of bound</th><th>channels</th><th>proved</th><th>data</th></tr>\n";
  for (const auto& row : report.rows) {
    if (row.collective == kind) html += row_html(row);
  }
  return html + "</table>\n";
}

std::string list_html(const std::string& title, const std::vector<std::string>& items) {
  if (items.empty()) return {};
  std::string html = fmt::format("<h2>{}</h2>\n<ul>\n", title);
  for (const auto& item : items) html += fmt::format("<li>{}</li>\n", escape_html(item));
  return html + "</ul>\n";
}

}  // namespace

std::string to_html(const Report& report) {
  std::string html =
      fmt::format("<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8><title>{0}</title><style>{1}</style></head><body>\n<h1>{0}</h1>\n",
                  escape_html(report.name), style);
  html += list_html("Found", report.findings);
  for (const auto& part : parts_of(report)) {
    const auto& axes = part.rows.front().axes;
    for (const auto kind : answers::collectives_of(part.rows)) {
      html += fmt::format("<h2>{} {}</h2>\n", to_string(kind), escape_html(axes.empty() ? "on " + report.provenance.topology : to_string(axes)));
      html += to_svg(chart_of(part, kind, false)) + to_svg(chart_of(part, kind, true)) + table_html(part, kind);
    }
  }
  std::vector<std::string> skipped;
  for (const auto& skip : report.skipped) skipped.push_back(skip.what + ": " + skip.reason);
  html += list_html("Not done", skipped);
  const auto& from = report.provenance;
  html += fmt::format(
      "<footer>p2plab {}, config {} ({}), seed {}, {}, {}; executor simulator: predictions, not measurements</footer>\n</body></html>\n",
      escape_html(from.version), escape_html(from.config), escape_html(from.config_digest), from.seed, escape_html(from.cpu), escape_html(from.date));
  return html;
}

}  // namespace p2plab
