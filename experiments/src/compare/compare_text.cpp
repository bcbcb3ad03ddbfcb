// SPDX-License-Identifier: Apache-2.0
// Comparisons as a person and as a script reads them.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "compare/row_key.h"
#include "p2plab/base/quantity.h"
#include "p2plab/report/compare.h"
#include "report/json_number.h"
#include "report/row_names.h"
#include "report/text_table.h"

namespace p2plab {

namespace {

std::string text_of(std::optional<double> value, int digits) { return value ? fmt::format("{:.{}f}", *value, digits) : "-"; }

// "A" is the baseline.
std::string letter_of(std::size_t index) { return index < 26 ? std::string(1, static_cast<char>('A' + index)) : fmt::format("R{}", index); }

std::string rows_of(std::size_t count) { return fmt::format("{} row{}", count, count == 1 ? "" : "s"); }

std::string title_of(const ComparedReport& report) {
  const auto name = report.name.empty() ? std::string{"a report without a name"} : report.name;
  return report.machine.empty() ? name : fmt::format("{}, {}", name, report.machine);
}

std::string range_of(const Difference& of) {
  if (of.from_least && of.to_greatest) return of.first == of.last ? fmt::format("at {}", to_string(of.first)) : "at every size";
  if (of.first == of.last) return fmt::format("at {}", to_string(of.first));
  if (of.to_greatest) return fmt::format("from {}", to_string(of.first));
  if (of.from_least) return fmt::format("up to {}", to_string(of.last));
  return fmt::format("from {} to {}", to_string(of.first), to_string(of.last));
}

// How much longer or less long, in percent of the baseline's time.
std::string change_of(const TimeRatio& ratio) {
  const bool slower = ratio.value > 1;
  const auto percent = [&](double value) { return slower ? 100 * (value - 1) : 100 * (1 - value); };
  auto text = fmt::format("{:.1f} %", percent(ratio.value));
  if (ratio.low) text += fmt::format(" ({:.1f} to {:.1f} %)", percent(slower ? *ratio.low : *ratio.high), percent(slower ? *ratio.high : *ratio.low));
  return text + (slower ? " slower" : " faster");
}

std::string p_of(const Difference& of) {
  if (!of.p) return "";
  return *of.p < 0.001 ? ", p < 0.001" : ", p < 0.01";
}

// "all_reduce ring is 3.7 % (3.1 to 4.3 %) slower from 16 MiB, p < 0.001".
std::string sentence_of(const Difference& of) {
  const auto place = of.axes.empty() ? "" : fmt::format(" ({})", to_string(of.axes));
  return fmt::format("{} {}{} is {} {}{}", to_string(of.collective), of.algorithm, place, change_of(of.ratio), range_of(of), p_of(of));
}

std::string sentence_of(const Verdict& verdict, const std::string& letter) {
  std::string text = fmt::format("{}, {}: ", letter, verdict.executor);
  if (verdict.rows == 0)
    return text + fmt::format("not judged: {} without repeats, so nothing tells chance from difference.", rows_of(verdict.unjudged));
  std::vector<std::string> parts;
  for (const auto& each : verdict.differences) parts.push_back(sentence_of(each));
  text += parts.empty() ? "no difference" : fmt::format("{}", fmt::join(parts, "; "));
  if (verdict.mean.low) {
    text += fmt::format(". Together {} take{} {:.3f} x ({:.3f} to {:.3f} x) the time", rows_of(verdict.rows), verdict.rows == 1 ? "s" : "",
                        verdict.mean.value, *verdict.mean.low, *verdict.mean.high);
  } else if (parts.empty()) {
    text += fmt::format(" in {}", rows_of(verdict.rows));
  } else {
    text += fmt::format(". Together {} take{} {:.3f} x the time", rows_of(verdict.rows), verdict.rows == 1 ? "s" : "", verdict.mean.value);
  }
  text += ".";
  if (verdict.unjudged > 0) text += fmt::format(" Not judged: {} without repeats.", rows_of(verdict.unjudged));
  return text;
}

// The rows of the baseline that are in any other report, CPU threads left out.
std::vector<const Row*> baseline_rows(std::span<const Comparison> comparisons) {
  std::vector<const Row*> rows;
  std::set<comparing::RowKey> known;
  for (const auto& comparison : comparisons) {
    for (const auto& row : comparison.rows) {
      if (row.a.clock() != Clock::host && row.ratio() && known.insert(comparing::row_key(row.a)).second) rows.push_back(&row.a);
    }
  }
  return rows;
}

TextTable table_of(std::span<const Comparison> comparisons) {
  using enum TextTable::Align;
  std::vector<TextTable::Column> columns{{"of the sweep"}, {"collective", left, 2}, {"size", right}, {"algorithm", left, 0, true},
                                         {"executor"},     {"A us", right}};
  for (std::size_t c = 0; c < comparisons.size(); ++c) {
    columns.push_back({letter_of(c + 1) + " us", right, 1});
    columns.push_back({letter_of(c + 1) + " / A", right});
  }
  TextTable table(std::move(columns));
  std::vector<std::map<comparing::RowKey, const ComparedRow*>> by_key(comparisons.size());
  for (std::size_t c = 0; c < comparisons.size(); ++c) {
    for (const auto& row : comparisons[c].rows) by_key[c].emplace(comparing::row_key(row.a), &row);
  }
  for (const auto* row : baseline_rows(comparisons)) {
    std::vector<std::string> cells{to_string(row->axes), std::string{to_string(row->collective)}, to_string(row->size), row->algorithm,
                                   row->executor(),      text_of(in_us(row->time()), 2)};
    for (const auto& rows : by_key) {
      const auto found = rows.find(comparing::row_key(*row));
      cells.push_back(found != rows.end() ? text_of(in_us(found->second->b.time()), 2) : "-");
      cells.push_back(found != rows.end() ? text_of(found->second->ratio(), 3) : "-");
    }
    table.add(std::move(cells));
  }
  return table;
}

// What was not compared.
std::string rest_of(const Comparison& comparison, const std::string& letter, const TextLayout& layout) {
  std::string text;
  const auto host = std::ranges::count_if(comparison.rows, [](const ComparedRow& row) { return row.a.clock() == Clock::host && row.ratio(); });
  if (host > 0)
    text += folded(
        fmt::format("{}: left out: {} of CPU threads, whose times say nothing about the machine.", letter, rows_of(static_cast<std::size_t>(host))),
        layout);
  if (!comparison.only_a.empty() || !comparison.only_b.empty())
    text += folded(
        fmt::format("{}: only in A: {}; only in {}: {}.", letter, rows_of(comparison.only_a.size()), letter, rows_of(comparison.only_b.size())),
        layout);
  return text;
}

using Json = nlohmann::ordered_json;

Json difference_json(const Difference& of) {
  return {{"collective", to_string(of.collective)},
          {"algorithm", of.algorithm},
          {"cell", to_string(of.axes)},
          {"from_bytes", of.first.count()},
          {"to_bytes", of.last.count()},
          {"ratio", number(of.ratio.value)},
          {"low", number(of.ratio.low)},
          {"high", number(of.ratio.high)},
          {"p", of.p ? Json(*of.p) : Json(nullptr)}};
}

Json verdict_json(const Verdict& verdict) {
  Json differences = Json::array();
  for (const auto& each : verdict.differences) differences.push_back(difference_json(each));
  return {{"executor", verdict.executor},    {"rows", verdict.rows},
          {"unjudged", verdict.unjudged},    {"ratio", number(verdict.mean.value)},
          {"low", number(verdict.mean.low)}, {"high", number(verdict.mean.high)},
          {"differences", differences}};
}

Json row_json(const ComparedRow& row) {
  return {{"collective", to_string(row.a.collective)},
          {"cell", to_string(row.a.axes)},
          {"algorithm", row.a.algorithm},
          {"executor", row.a.executor()},
          {"ranks", row.a.ranks},
          {"dtype", row.a.dtype},
          {"size_bytes", row.a.size.count()},
          {"in_place", row.a.in_place},
          {"baseline_us", number(in_us(row.a.time()))},
          {"us", number(in_us(row.b.time()))},
          {"ratio", number(row.ratio())}};
}

}  // namespace

std::string to_text(std::span<const Comparison> comparisons, const TextLayout& layout) {
  std::string text = comparisons.empty() ? "" : fmt::format("A: {}\n", title_of(comparisons.front().a));
  for (std::size_t c = 0; c < comparisons.size(); ++c) text += fmt::format("{}: {}\n", letter_of(c + 1), title_of(comparisons[c].b));
  if (!baseline_rows(comparisons).empty()) text += "\n" + table_of(comparisons).text(layout);
  text += "\n";
  for (std::size_t c = 0; c < comparisons.size(); ++c) {
    const auto verdicts = comparisons[c].verdicts();
    const auto letter = letter_of(c + 1);
    for (const auto& verdict : verdicts) text += folded(sentence_of(verdict, letter), layout);
    if (verdicts.empty()) text += folded(fmt::format("{}: no row with a time is in both reports.", letter), layout);
    text += rest_of(comparisons[c], letter, layout);
  }
  return text;
}

std::string to_json(std::span<const Comparison> comparisons) {
  Json reports = Json::array();
  for (const auto& comparison : comparisons) {
    Json rows = Json::array();
    for (const auto& row : comparison.rows) rows.push_back(row_json(row));
    Json verdicts = Json::array();
    for (const auto& verdict : comparison.verdicts()) verdicts.push_back(verdict_json(verdict));
    reports.push_back({{"name", comparison.b.name},
                       {"machine", comparison.b.machine},
                       {"verdicts", verdicts},
                       {"only_baseline", comparison.only_a.size()},
                       {"only_here", comparison.only_b.size()},
                       {"rows", rows}});
  }
  const auto baseline = comparisons.empty() ? ComparedReport{} : comparisons.front().a;
  const Json json{{"baseline", {{"name", baseline.name}, {"machine", baseline.machine}}}, {"reports", reports}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::vector<std::string> slower_than(double factor, std::span<const Comparison> comparisons) {
  std::vector<std::string> slower;
  for (std::size_t c = 0; c < comparisons.size(); ++c) {
    for (const auto& verdict : comparisons[c].verdicts()) {
      if (verdict.executor == nccl_executor) continue;
      for (const auto& each : verdict.differences) {
        if (each.ratio.value > factor) slower.push_back(fmt::format("{}, {}: {}", letter_of(c + 1), verdict.executor, sentence_of(each)));
      }
    }
  }
  return slower;
}

}  // namespace p2plab
