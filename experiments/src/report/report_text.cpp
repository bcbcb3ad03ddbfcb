// SPDX-License-Identifier: Apache-2.0
// The report as a person reads it: one table, then sentences.
#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"
#include "p2plab/report/report.h"
#include "report/row_names.h"
#include "report/text_table.h"

namespace p2plab {

namespace {

using Key = std::tuple<Axes, CollectiveKind, Bytes, std::string, bool>;
Key line_key(const Row& row) { return {row.axes, row.collective, row.size, row.algorithm, row.in_place}; }

// Rows of other executors stand in the line of the simulator's row.
struct ReportLine {
  const Row* predicted = nullptr;
  const Row* host = nullptr;
  std::vector<const Row*> devices;
};

std::vector<ReportLine> lines_of(const Report& report) {
  std::vector<ReportLine> lines;
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

const Row& any_row(const ReportLine& line) {
  if (line.predicted != nullptr) return *line.predicted;
  return line.host != nullptr ? *line.host : *line.devices.front();
}

std::string data_cell(const ReportLine& line) {
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

std::vector<std::string> device_names(const std::vector<ReportLine>& lines) {
  std::vector<std::string> names;
  for (const auto& line : lines) {
    for (const auto* row : line.devices) {
      if (std::ranges::find(names, row->executor()) == names.end()) names.push_back(row->executor());
    }
  }
  // NCCL has a line of its own: one column holds what was measured in every line.
  const bool one = names.size() > 1 && std::ranges::all_of(lines, [](const ReportLine& line) { return line.devices.size() <= 1; });
  return one ? std::vector<std::string>{"measured"} : names;
}

// What the columns `proved` and `data` say beside what is said of all rows below the table: they stand where a row differs.
struct Remarks {
  bool proved = false;
  bool data = false;
};

bool ours(const Row& row) { return !row.executor().starts_with("nccl"); }

Remarks remarks_of(const std::vector<ReportLine>& lines, const TextLayout& layout) {
  if (layout.wide) return {true, true};
  return {std::ranges::any_of(lines, [](const ReportLine& line) { return ours(any_row(line)) && !any_row(line).verified; }),
          std::ranges::any_of(lines, [](const ReportLine& line) { return data_cell(line) == "WRONG"; })};
}

// A row of `auto` is that of the planner it chose once more, where the config has that planner as well and nothing was measured.
bool repeats(const ReportLine& line, const std::vector<ReportLine>& lines) {
  const auto& row = any_row(line);
  if (row.chosen.empty() || row.winner || !line.devices.empty() || !ours(row) || data_cell(line) == "WRONG") return false;
  return std::ranges::any_of(lines, [&](const ReportLine& other) {
    const auto& same = any_row(other);
    return same.algorithm == row.chosen && same.axes == row.axes && same.size == row.size && same.collective == row.collective &&
           same.in_place == row.in_place && same.predicted() == row.predicted() && same.thread_blocks == row.thread_blocks &&
           same.protocol == row.protocol;
  });
}

std::vector<std::string> cells_of(const ReportLine& line, const std::string& size, const std::vector<std::string>& devices, const Remarks& remarks) {
  const auto& row = any_row(line);
  const auto name = row.chosen.empty() ? row.algorithm : fmt::format("{} ({})", row.algorithm, row.chosen);
  std::vector<std::string> cells{
      size, (row.winner ? "* " : "  ") + name, time(row.predicted()), rate(row.algbw_gbps()), rate(row.busbw_gbps()), percent(row.bound_pct())};
  for (const auto& device : devices) {
    const auto found = device == "measured" ? line.devices.begin() : std::ranges::find(line.devices, device, &Row::executor);
    cells.push_back(found == line.devices.end() ? "-" : time((*found)->time()));
    cells.push_back(found == line.devices.end() ? "-" : percent((*found)->error_pct()));
  }
  cells.insert(cells.end(), {row.thread_blocks > 0 ? fmt::format("{}", row.thread_blocks) : "-", remarks.proved ? (row.verified ? "yes" : "no") : "",
                             remarks.data ? data_cell(line) : ""});
  return cells;
}

TextTable table_of(const std::vector<ReportLine>& lines, const TextLayout& layout) {
  using enum TextTable::Align;
  const auto devices = device_names(lines);
  std::vector<TextTable::Column> columns{{"size", right},           {"  algorithm", left, 0, true}, {"predicted\nus", right},
                                         {"algbw\nGB/s", right, 4}, {"busbw\nGB/s", right, 2},      {"% of\nbound", right, 3}};
  for (const auto& device : devices) {
    columns.push_back({device + "\nus", right});
    columns.push_back({"error\n%", right, 1});
  }
  columns.insert(columns.end(), {{"blocks", right, 5}, {"proved"}, {"data"}});
  TextTable table(std::move(columns));
  const auto remarks = remarks_of(lines, layout);
  const Row* before = nullptr;
  for (const auto& line : lines) {
    const auto& row = any_row(line);
    if (!layout.wide && repeats(line, lines)) continue;
    const bool same = before != nullptr && before->size == row.size && before->collective == row.collective;
    if (before != nullptr && !same) table.gap();
    using enum TextTable::Style;
    const auto look = data_cell(line) == "WRONG" ? alarm : row.winner ? strong : plain;
    table.add(cells_of(line, same ? "" : to_string(row.size), devices, remarks), look);
    before = &row;
  }
  return table;
}

// What the predictions below rest on.
std::string costs_of(const Provenance& from, const TextLayout& layout) {
  if (from.profile.empty()) return {};
  const bool several = from.forms.find(',') != std::string::npos;  // of a sweep's cells
  const auto forms = several                 ? fmt::format("in its cell's form ({})", from.forms)
                     : from.forms == "model" ? std::string{"in the form that is predicted fastest"}
                                             : std::string{"in the form in which p2plab's kernels run it on GPUs"};
  return folded(fmt::format("Predicted with profile {}, each plan {}.", from.profile, forms), layout).substr(2) + "\n";
}

// The words of the columns that are there, in any of the tables.
std::string legend_of(const std::vector<TextTable>& tables, const std::vector<ReportLine>& lines, const TextLayout& layout) {
  const auto shows = [&](const char* title) {
    return std::ranges::any_of(tables, [&](const TextTable& table) { return table.shows(title, layout); });
  };
  std::string text = "* least predicted time of its size.";
  if (shows("% of\nbound")) text += " % of bound: least time that any schedule needs / predicted.";
  if (shows("blocks")) text += " blocks: thread blocks per GPU.";
  if (shows("proved"))
    text += " proved: every rank provably ends with the right sums.";
  else if (std::ranges::any_of(lines, [](const ReportLine& line) { return any_row(line).verified; }))
    text += " Every plan is proved: each rank ends with the right sums.";
  if (shows("data")) text += " data: real data, run and compared with a float64 reference (- not run).";
  if (!layout.wide && std::ranges::any_of(lines, [&](const ReportLine& line) { return repeats(line, lines); }))
    text += " auto has no line of its own where it chose a plan that has one.";
  return folded(text, layout).substr(2);
}

}  // namespace

std::string to_text(const Report& report, const TextLayout& layout) {
  std::string text;
  const auto lines = lines_of(report);
  const auto group_of = [](const ReportLine& line) { return std::pair{any_row(line).axes, any_row(line).collective}; };
  std::vector<std::pair<Axes, CollectiveKind>> groups;
  for (const auto& line : lines) {
    if (std::ranges::find(groups, group_of(line)) == groups.end()) groups.push_back(group_of(line));
  }
  std::vector<TextTable> tables;
  for (const auto& group : groups) {
    std::vector<ReportLine> mine;
    std::ranges::copy_if(lines, std::back_inserter(mine), [&](const ReportLine& line) { return group_of(line) == group; });
    const auto& row = any_row(mine.front());
    // A sweep may have several machines; its axes tell them apart.
    const auto place = group.first.empty() ? " of " + report.provenance.topology : fmt::format(" ({})", to_string(group.first));
    text += fmt::format("{}: {} of {} among {} GPUs{}{}\n\n", report.name, to_string(group.second), row.dtype, row.ranks, place,
                        row.in_place ? ", in place" : "");
    if (group == groups.front()) text += costs_of(report.provenance, layout);
    tables.push_back(table_of(mine, layout));
    text += tables.back().text(layout) + "\n";
  }
  if (!tables.empty()) text += legend_of(tables, lines, layout);
  if (!report.skipped.empty()) text += "\nNot done:\n";
  for (const auto& skip : report.skipped) text += folded(fmt::format("{}: {}", skip.what, skip.reason), layout);
  if (!report.findings.empty()) text += "\nFound:\n";
  for (const auto& finding : report.findings) text += folded(finding, layout);
  return text;
}

}  // namespace p2plab
