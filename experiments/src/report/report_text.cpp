// SPDX-License-Identifier: Apache-2.0
// The report as a person reads it: one table, then sentences.
#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"
#include "p2plab/report/report.h"
#include "report/text_table.h"

namespace p2plab {

namespace {

using Key = std::tuple<CollectiveKind, Bytes, std::string, bool>;
Key line_key(const Row& row) { return {row.collective, row.size, row.algorithm, row.in_place}; }

// Rows of other executors stand in the line of the simulator's row.
struct Line {
  const Row* predicted = nullptr;
  const Row* host = nullptr;
  std::vector<const Row*> devices;
};

std::vector<Line> lines_of(const Report& report) {
  std::vector<Line> lines;
  std::map<Key, std::size_t> index;
  for (const auto& row : report.rows) {
    const auto [at, fresh] = index.try_emplace(line_key(row), lines.size());
    if (fresh) lines.emplace_back();
    auto& line = lines[at->second];
    if (row.clock() == Clock::simulated)
      line.predicted = &row;
    else if (row.clock() == Clock::host)
      line.host = &row;
    else
      line.devices.push_back(&row);
  }
  return lines;
}

const Row& any_row(const Line& line) {
  if (line.predicted != nullptr) return *line.predicted;
  return line.host != nullptr ? *line.host : *line.devices.front();
}

std::string data_cell(const Line& line) {
  std::vector<const Row*> checked = line.devices;
  if (line.host != nullptr) checked.push_back(line.host);
  std::string cell = "-";
  for (const auto* row : checked) {
    if (!row->data()) continue;
    if (!row->data()->passed) return "WRONG";
    cell = "ok";
  }
  return cell;
}

std::string rate(std::optional<double> value) { return value ? fmt::format("{:.2f}", *value) : "-"; }
std::string time(std::optional<Seconds> value) { return value ? fmt::format("{:.2f}", microseconds(*value)) : "-"; }
std::string percent(std::optional<double> value) { return value ? fmt::format("{:.1f}", *value) : "-"; }

std::vector<std::string> device_names(const std::vector<Line>& lines) {
  std::vector<std::string> names;
  for (const auto& line : lines) {
    for (const auto* row : line.devices) {
      if (std::ranges::find(names, row->executor()) == names.end()) names.push_back(row->executor());
    }
  }
  return names;
}

std::vector<std::string> cells_of(const Line& line, const std::string& size, const std::vector<std::string>& devices) {
  const auto& row = any_row(line);
  const auto name = row.chosen.empty() ? row.algorithm : fmt::format("{} ({})", row.algorithm, row.chosen);
  std::vector<std::string> cells{
      size, (row.winner ? "* " : "  ") + name, time(row.predicted()), rate(row.algbw_gbps()), rate(row.busbw_gbps()), percent(row.bound_pct())};
  for (const auto& device : devices) {
    const auto found = std::ranges::find(line.devices, device, &Row::executor);
    cells.push_back(found == line.devices.end() ? "-" : time((*found)->time()));
    cells.push_back(found == line.devices.end() ? "-" : percent((*found)->error_pct()));
  }
  cells.insert(cells.end(), {fmt::format("{}", row.channels), row.verified ? "yes" : "no", data_cell(line)});
  return cells;
}

std::string table_of(const std::vector<Line>& lines) {
  using enum TextTable::Align;
  const auto devices = device_names(lines);
  std::vector<TextTable::Column> columns{{"size", right},       {"  algorithm"},       {"predicted us", right},
                                         {"algbw GB/s", right}, {"busbw GB/s", right}, {"% of bound", right}};
  for (const auto& device : devices) {
    columns.push_back({device + " us", right});
    columns.push_back({"error %", right});
  }
  columns.insert(columns.end(), {{"channels", right}, {"proved"}, {"data"}});
  TextTable table(std::move(columns));
  const Row* before = nullptr;
  for (const auto& line : lines) {
    const auto& row = any_row(line);
    const bool same = before != nullptr && before->size == row.size && before->collective == row.collective;
    if (before != nullptr && !same) table.gap();
    table.add(cells_of(line, same ? "" : to_string(row.size), devices));
    before = &row;
  }
  return table.text();
}

// What the predictions below rest on.
std::string costs_of(const Provenance& from) {
  if (from.profile.empty()) return {};
  const auto* forms = from.forms == "model" ? "in the form that is predicted fastest" : "in the form in which p2plab's kernels run it on GPUs";
  return fmt::format("Predicted with profile {}, each plan {}.\n\n", from.profile, forms);
}

}  // namespace

std::string to_text(const Report& report) {
  std::string text;
  const auto lines = lines_of(report);
  std::vector<CollectiveKind> kinds;
  for (const auto& line : lines) {
    if (std::ranges::find(kinds, any_row(line).collective) == kinds.end()) kinds.push_back(any_row(line).collective);
  }
  for (const auto kind : kinds) {
    std::vector<Line> mine;
    std::ranges::copy_if(lines, std::back_inserter(mine), [&](const Line& line) { return any_row(line).collective == kind; });
    const auto& row = any_row(mine.front());
    text += fmt::format("{}: {} of {} among {} GPUs of {}{}\n\n", report.name, to_string(kind), row.dtype, row.ranks, report.provenance.topology,
                        row.in_place ? ", in place" : "");
    text += costs_of(report.provenance) + table_of(mine) + "\n";
  }
  if (!lines.empty()) {
    text +=
        "* least predicted time of its size.  % of bound: least time that any schedule needs / predicted.  channels: thread blocks per GPU.\n"
        "proved: every rank provably ends with the right sums.  data: real data, run and compared with a float64 reference (- not run).\n";
  }
  if (!report.skipped.empty()) text += "\nNot done:\n";
  for (const auto& skip : report.skipped) text += fmt::format("  {}: {}\n", skip.what, skip.reason);
  if (!report.findings.empty()) text += "\nFound:\n";
  for (const auto& finding : report.findings) text += fmt::format("  {}\n", finding);
  return text;
}

}  // namespace p2plab
