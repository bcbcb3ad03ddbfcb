// SPDX-License-Identifier: Apache-2.0
#include "p2plab/report/compare.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "p2plab/base/quantity.h"
#include "report/json_number.h"
#include "report/text_table.h"

namespace p2plab {

namespace {

auto key_of(const Row& row) { return std::tuple{row.collective, row.algorithm, row.executor(), row.ranks, row.dtype, row.size, row.in_place}; }

std::string text_of(std::optional<double> value, int digits) { return value ? fmt::format("{:.{}f}", *value, digits) : "-"; }

std::string title_of(const ComparedReport& report) {
  const auto name = report.name.empty() ? std::string{"a report without a name"} : report.name;
  return report.machine.empty() ? name : fmt::format("{}, {}", name, report.machine);
}

// "simulator: B takes 1.037 x the time of A (geometric mean of 50 rows)."
std::string verdict_of(const MeanRatio& mean) {
  constexpr double alike = 1e-9;  // no more than the last digits of sums
  if (std::abs(mean.ratio - 1) < alike) return fmt::format("{}: no difference in the mean of {} rows.\n", mean.executor, mean.rows);
  return fmt::format("{}: B takes {:.3f} x the time of A (geometric mean of {} rows).\n", mean.executor, mean.ratio, mean.rows);
}

}  // namespace

std::optional<double> ComparedRow::ratio() const {
  const auto time_a = a.time();
  const auto time_b = b.time();
  if (!time_a || !time_b || time_a->count() <= 0 || time_b->count() <= 0) return std::nullopt;
  return *time_b / *time_a;
}

std::vector<MeanRatio> Comparison::mean_ratios() const {
  std::vector<MeanRatio> means;
  for (const auto& row : rows) {
    const auto ratio = row.ratio();
    if (!ratio || row.a.clock() == Clock::host) continue;
    auto mean = std::ranges::find(means, row.a.executor(), &MeanRatio::executor);
    if (mean == means.end()) mean = means.insert(mean, {.executor = row.a.executor(), .rows = 0, .ratio = 0});
    mean->ratio += std::log(*ratio);
    ++mean->rows;
  }
  for (auto& mean : means) mean.ratio = std::exp(mean.ratio / static_cast<double>(mean.rows));
  return means;
}

Comparison compare(const Report& a, const Report& b) {
  std::map<decltype(key_of(Row{})), const Row*> rows_of_b;
  for (const auto& row : b.rows) rows_of_b.try_emplace(key_of(row), &row);
  Comparison result{.a = {a.name, a.provenance.topology}, .b = {b.name, b.provenance.topology}};
  for (const auto& row : a.rows) {
    const auto found = rows_of_b.find(key_of(row));
    if (found == rows_of_b.end()) {
      result.only_a.push_back(row);
      continue;
    }
    result.rows.push_back({row, *found->second});
    rows_of_b.erase(found);
  }
  for (const auto& row : b.rows) {
    if (const auto left = rows_of_b.find(key_of(row)); left != rows_of_b.end() && left->second == &row) result.only_b.push_back(row);
  }
  return result;
}

std::string to_text(const Comparison& comparison) {
  using enum TextTable::Align;
  auto text = fmt::format("A: {}\nB: {}\n\n", title_of(comparison.a), title_of(comparison.b));
  TextTable table({{"collective"}, {"size", right}, {"algorithm"}, {"executor"}, {"A us", right}, {"B us", right}, {"B / A", right}});
  for (const auto& row : comparison.rows) {
    table.add({std::string{to_string(row.a.collective)}, to_string(row.a.size), row.a.algorithm, row.a.executor(), text_of(in_us(row.a.time()), 2),
               text_of(in_us(row.b.time()), 2), text_of(row.ratio(), 3)});
  }
  text += table.text() + "\n";
  const auto means = comparison.mean_ratios();
  for (const auto& mean : means) text += verdict_of(mean);
  if (means.empty()) text += "No row with a time is in both reports.\n";
  const auto host = std::ranges::count_if(comparison.rows, [](const ComparedRow& row) { return row.a.clock() == Clock::host && row.ratio(); });
  if (host > 0) text += fmt::format("{} rows of CPU threads check data; their times say nothing about the machine.\n", host);
  if (!comparison.only_a.empty() || !comparison.only_b.empty()) {
    text += fmt::format("{} rows are only in A, {} only in B.\n", comparison.only_a.size(), comparison.only_b.size());
  }
  return text;
}

std::string to_json(const Comparison& comparison) {
  using Json = nlohmann::ordered_json;
  Json rows = Json::array();
  for (const auto& row : comparison.rows) {
    rows.push_back({{"collective", to_string(row.a.collective)},
                    {"algorithm", row.a.algorithm},
                    {"executor", row.a.executor()},
                    {"ranks", row.a.ranks},
                    {"dtype", row.a.dtype},
                    {"size_bytes", row.a.size.count()},
                    {"in_place", row.a.in_place},
                    {"a_us", number(in_us(row.a.time()))},
                    {"b_us", number(in_us(row.b.time()))},
                    {"ratio", number(row.ratio())}});
  }
  Json means = Json::array();
  for (const auto& mean : comparison.mean_ratios())
    means.push_back({{"executor", mean.executor}, {"rows", mean.rows}, {"ratio", number(mean.ratio)}});
  const auto title = [](const ComparedReport& of) { return Json{{"name", of.name}, {"machine", of.machine}}; };
  const Json json{{"a", title(comparison.a)},           {"b", title(comparison.b)},           {"rows", rows},
                  {"only_a", comparison.only_a.size()}, {"only_b", comparison.only_b.size()}, {"mean_ratios", means}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace p2plab
