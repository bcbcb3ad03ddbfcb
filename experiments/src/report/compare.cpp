// SPDX-License-Identifier: Apache-2.0
#include "p2plab/report/compare.h"

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

auto key_of(const Row& row) { return std::tuple{row.collective, row.algorithm, row.executor, row.ranks, row.dtype, row.size, row.in_place}; }

std::string text_of(std::optional<double> value, int digits) { return value ? fmt::format("{:.{}f}", *value, digits) : "-"; }

}  // namespace

std::optional<double> ComparedRow::ratio() const {
  if (!a.time || !b.time || a.time->count() <= 0 || b.time->count() <= 0) return std::nullopt;
  return *b.time / *a.time;
}

std::optional<double> Comparison::mean_ratio() const {
  double sum = 0;
  int count = 0;
  for (const auto& row : rows) {
    const auto ratio = row.ratio();
    if (!ratio) continue;
    sum += std::log(*ratio);
    ++count;
  }
  if (count == 0) return std::nullopt;
  return std::exp(sum / count);
}

Comparison compare(const Report& a, const Report& b) {
  std::map<decltype(key_of(Row{})), const Row*> rows_of_b;
  for (const auto& row : b.rows) rows_of_b.try_emplace(key_of(row), &row);
  Comparison result;
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
  TextTable table({{"collective"}, {"size", right}, {"algorithm"}, {"executor"}, {"A us", right}, {"B us", right}, {"B / A", right}});
  for (const auto& row : comparison.rows) {
    table.add({std::string{to_string(row.a.collective)}, to_string(row.a.size), row.a.algorithm, row.a.executor, text_of(in_us(row.a.time), 2),
               text_of(in_us(row.b.time), 2), text_of(row.ratio(), 3)});
  }
  auto text = table.text() + "\n";
  const auto mean = comparison.mean_ratio();
  if (mean)
    text += fmt::format("B takes {:.3f} x the time of A (geometric mean of {} rows).\n", *mean, comparison.rows.size());
  else
    text += "No row with a time is in both reports.\n";
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
                    {"executor", row.a.executor},
                    {"ranks", row.a.ranks},
                    {"dtype", row.a.dtype},
                    {"size_bytes", row.a.size.count()},
                    {"in_place", row.a.in_place},
                    {"a_us", number(in_us(row.a.time))},
                    {"b_us", number(in_us(row.b.time))},
                    {"ratio", number(row.ratio())}});
  }
  const Json json{
      {"rows", rows}, {"only_a", comparison.only_a.size()}, {"only_b", comparison.only_b.size()}, {"mean_ratio", number(comparison.mean_ratio())}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace p2plab
