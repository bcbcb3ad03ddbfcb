// SPDX-License-Identifier: Apache-2.0
#include "p2plab/report/compare.h"

#include <algorithm>
#include <map>

#include "compare/judge.h"
#include "compare/row_key.h"

namespace p2plab {

using comparing::row_key;

std::optional<double> ComparedRow::ratio() const {
  const auto time_a = a.time();
  const auto time_b = b.time();
  if (!time_a || !time_b || time_a->count() <= 0 || time_b->count() <= 0) return std::nullopt;
  return *time_b / *time_a;
}

std::vector<Verdict> Comparison::verdicts() const {
  std::vector<std::string> executors;
  std::map<std::string, std::vector<const ComparedRow*>> by_executor;
  for (const auto& row : rows) {
    if (!row.ratio() || row.a.clock() == Clock::host) continue;
    auto& mine = by_executor[row.a.executor()];
    if (mine.empty()) executors.push_back(row.a.executor());
    mine.push_back(&row);
  }
  std::vector<Verdict> verdicts;
  for (const auto& name : executors) verdicts.push_back(comparing::judge(by_executor.at(name)));
  return verdicts;
}

Comparison compare(const Report& a, const Report& b) {
  std::map<comparing::RowKey, const Row*> rows_of_b;
  for (const auto& row : b.rows) rows_of_b.try_emplace(row_key(row), &row);
  Comparison result{.a = {a.name, a.provenance.topology}, .b = {b.name, b.provenance.topology}};
  for (const auto& row : a.rows) {
    const auto found = rows_of_b.find(row_key(row));
    if (found == rows_of_b.end()) {
      result.only_a.push_back(row);
      continue;
    }
    result.rows.push_back({row, *found->second});
    rows_of_b.erase(found);
  }
  for (const auto& row : b.rows) {
    if (const auto left = rows_of_b.find(row_key(row)); left != rows_of_b.end() && left->second == &row) result.only_b.push_back(row);
  }
  return result;
}

}  // namespace p2plab
