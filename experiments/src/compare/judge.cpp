// SPDX-License-Identifier: Apache-2.0
#include "compare/judge.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "compare/log_ratio.h"

namespace p2plab::comparing {

namespace {

constexpr double significance = 0.01;
constexpr double least_simulated = 0.0005;  // what prints as 0.1 %
constexpr double margin = 0.009950330853;   // log(1.01): between two runs of one machine lies so much

// One algorithm at rising sizes.
struct Series {
  const Row* example = nullptr;
  std::vector<Bytes> sizes = {};
  std::vector<LogRatio> ratios = {};
};

auto series_key(const Row& row) { return std::tuple{row.axes, row.collective, row.algorithm, row.ranks, row.dtype, row.in_place}; }

std::optional<LogRatio> ratio_of(const ComparedRow& row) {
  if (row.a.clock() != Clock::simulated) return log_ratio(row.a.measurement.samples, row.b.measurement.samples);
  const auto ratio = row.ratio();
  return ratio ? std::optional(LogRatio{std::log(*ratio)}) : std::nullopt;
}

std::vector<Series> series_of(std::span<const ComparedRow* const> rows, Verdict& verdict) {
  std::vector<const ComparedRow*> rising(rows.begin(), rows.end());
  std::ranges::stable_sort(rising, {}, [](const ComparedRow* row) { return row->a.size; });
  std::map<decltype(series_key(Row{})), std::size_t> place;
  std::vector<Series> all;
  for (const auto* row : rows) {  // in the order of the report
    if (place.try_emplace(series_key(row->a), all.size()).second) all.push_back({.example = &row->a});
  }
  for (const auto* row : rising) {
    const auto ratio = ratio_of(*row);
    if (!ratio) {
      verdict.unjudged += row->ratio() ? 1 : 0;
      continue;
    }
    auto& series = all[place.at(series_key(row->a))];
    series.sizes.push_back(row->a.size);
    series.ratios.push_back(*ratio);
    ++verdict.rows;
  }
  std::erase_if(all, [](const Series& series) { return series.sizes.empty(); });
  return all;
}

// Indices of a series, the last one among them.
struct Range {
  std::size_t first = 0;
  std::size_t last = 0;
};

Difference difference_of(const Series& series, Range range, std::optional<double> p) {
  const auto mean = mean_of(std::span(series.ratios).subspan(range.first, range.last - range.first + 1));
  return {.axes = series.example->axes,
          .collective = series.example->collective,
          .algorithm = series.example->algorithm,
          .first = series.sizes[range.first],
          .last = series.sizes[range.last],
          .from_least = range.first == 0,
          .to_greatest = range.last + 1 == series.sizes.size(),
          .ratio = time_ratio(mean),
          .p = p};
}

// Simulated times: runs of sizes that differ in one direction.
void find_exact(const Series& series, std::vector<Difference>& found) {
  const auto way = [&](std::size_t i) {
    const auto mean = series.ratios[i].mean;
    return std::abs(mean) < least_simulated ? 0 : mean > 0 ? 1 : -1;
  };
  for (std::size_t first = 0; first < series.sizes.size();) {
    auto last = first;
    while (last + 1 < series.sizes.size() && way(last + 1) == way(first)) ++last;
    if (way(first) != 0) found.push_back(difference_of(series, {first, last}, std::nullopt));
    first = last + 1;
  }
}

// Of the ranges within `open` that differ, the one that stands out most, with its p. How much a range stands out is measured against one spread for
// all sizes: by the few repeats of each size, those that happen to lie close together would always win.
std::optional<std::pair<Range, double>> surest(const Series& series, Range open, double tests) {
  const auto least = least_statistic(significance / tests);
  double most = 0;
  std::optional<std::pair<Range, double>> best;
  for (auto first = open.first; first <= open.last; ++first) {
    for (auto last = first; last <= open.last; ++last) {
      const auto mean = mean_of(std::span(series.ratios).subspan(first, last - first + 1));
      const auto stands_out = (std::abs(mean.mean) - margin) * std::sqrt(static_cast<double>(last - first + 1));
      if (stands_out <= most || statistic_beyond(mean, margin) < least) continue;
      const auto p = p_beyond(mean, margin) * tests;
      if (p >= significance) continue;
      most = stands_out;
      best = {Range{first, last}, p};
    }
  }
  return best;
}

// Measured times: the surest range, then what lies before and behind it.
void find_measured(const Series& series, Range open, double tests, std::vector<Difference>& found) {
  const auto best = surest(series, open, tests);
  if (!best) return;
  const auto& [range, p] = *best;
  if (range.first > open.first) find_measured(series, {open.first, range.first - 1}, tests, found);
  found.push_back(difference_of(series, range, p));
  if (range.last < open.last) find_measured(series, {range.last + 1, open.last}, tests, found);
}

}  // namespace

Verdict judge(std::span<const ComparedRow* const> rows) {
  Verdict verdict{.executor = rows.front()->a.executor()};
  const auto all = series_of(rows, verdict);
  double tests = 0;
  std::vector<LogRatio> ratios;
  for (const auto& series : all) {
    const auto count = static_cast<double>(series.sizes.size());
    tests += count * (count + 1) / 2;
    ratios.insert(ratios.end(), series.ratios.begin(), series.ratios.end());
  }
  if (ratios.empty()) return verdict;
  verdict.mean = time_ratio(mean_of(ratios));
  for (const auto& series : all) {
    if (series.example->clock() == Clock::simulated)
      find_exact(series, verdict.differences);
    else
      find_measured(series, {0, series.sizes.size() - 1}, tests, verdict.differences);
  }
  return verdict;
}

}  // namespace p2plab::comparing
