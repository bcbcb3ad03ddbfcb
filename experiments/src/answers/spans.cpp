// SPDX-License-Identifier: Apache-2.0
#include "answers/spans.h"

#include <algorithm>

#include <fmt/format.h>

#include "answers/ratio.h"
#include "p2plab/base/quantity.h"

namespace p2plab::answers {

bool is_ours(const Row& row) { return row.predicts_plan(); }

std::vector<CollectiveKind> collectives_of(std::span<const Row> rows) {
  std::vector<CollectiveKind> kinds;
  for (const auto& row : rows) {
    if (std::ranges::find(kinds, row.collective) == kinds.end()) kinds.push_back(row.collective);
  }
  return kinds;
}

BySize least_by_size(std::span<const Row> rows, CollectiveKind kind, const std::function<bool(const Row&)>& wanted) {
  BySize least;
  for (const auto& row : rows) {
    const auto time = time_of(row);
    if (row.collective != kind || row.clock() == Clock::host || !time || row.size.count() <= 0 || !wanted(row)) continue;
    auto*& best = least[row.size];
    if (best == nullptr || *time < *time_of(*best)) best = &row;
  }
  return least;
}

const std::string& planner_of(const Row& row) { return row.chosen.empty() ? row.algorithm : row.chosen; }

std::string name_of(const Row& row) { return row.chosen.empty() ? row.algorithm : fmt::format("{} (chosen by {})", row.chosen, row.algorithm); }

std::string spans_text(const std::vector<Bytes>& sizes, const std::vector<Bytes>& tried) {
  std::string text;
  for (std::size_t first = 0; first < sizes.size();) {
    const auto at = std::ranges::find(tried, sizes[first]) - tried.begin();
    std::size_t last = first;
    const auto follows = [&](std::size_t next) {
      const auto place = static_cast<std::size_t>(at) + (next - first);
      return next < sizes.size() && place < tried.size() && tried[place] == sizes[next];
    };
    while (follows(last + 1)) ++last;
    if (!text.empty()) text += ", ";
    text += first == last ? "at " + to_string(sizes[first]) : fmt::format("from {} to {}", to_string(sizes[first]), to_string(sizes[last]));
    first = last + 1;
  }
  return text;
}

}  // namespace p2plab::answers
