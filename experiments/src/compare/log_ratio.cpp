// SPDX-License-Identifier: Apache-2.0
#include "compare/log_ratio.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>

namespace p2plab::comparing {

namespace {

// Equal repeats are those of a coarse clock, not of one without an error: the mean of a row is known to a tenth of a percent at best.
constexpr double least_variance = 1e-6;

struct Sample {
  double mean = 0;
  double variance = 0;  // of the mean
  double freedom = 1;
};

// Yuen: the mean without the fifth of repeats at either end, which takes those in that something else disturbed; its variance is that of repeats
// drawn in to the nearest that stays. Of fewer than five repeats all stay.
std::optional<Sample> sample_of(std::span<const Seconds> times) {
  if (times.size() < 2 || std::ranges::any_of(times, [](Seconds time) { return time.count() <= 0; })) return std::nullopt;
  std::vector<double> logs;
  for (const auto time : times) logs.push_back(std::log(time.count()));
  std::ranges::sort(logs);
  const auto cut = logs.size() / 5;
  for (std::size_t i = 0; i < cut; ++i) {
    logs[i] = logs[cut];
    logs[logs.size() - 1 - i] = logs[logs.size() - 1 - cut];
  }
  const auto kept = std::span(logs).subspan(cut, logs.size() - 2 * cut);
  const auto count = static_cast<double>(kept.size());
  const auto drawn_in = std::accumulate(logs.begin(), logs.end(), 0.0) / static_cast<double>(logs.size());
  double squares = 0;
  for (const auto each : logs) squares += (each - drawn_in) * (each - drawn_in);
  return Sample{.mean = std::accumulate(kept.begin(), kept.end(), 0.0) / count,
                .variance = std::max(squares / count / (count - 1), least_variance),
                .freedom = count - 1};
}

}  // namespace

std::optional<LogRatio> log_ratio(std::span<const Seconds> a, std::span<const Seconds> b) {
  const auto of_a = sample_of(a);
  const auto of_b = sample_of(b);
  if (!of_a || !of_b) return std::nullopt;
  const auto variance = of_a->variance + of_b->variance;
  const auto freedom = variance * variance / (of_a->variance * of_a->variance / of_a->freedom + of_b->variance * of_b->variance / of_b->freedom);
  return LogRatio{of_b->mean - of_a->mean, variance, freedom};
}

LogRatio mean_of(std::span<const LogRatio> ratios) {
  LogRatio mean;
  double below = 0;
  const auto count = static_cast<double>(ratios.size());
  for (const auto& each : ratios) {
    mean.mean += each.mean / count;
    mean.variance += each.variance;
    below += each.variance * each.variance / each.freedom;
  }
  if (below > 0) mean.freedom = mean.variance * mean.variance / below;
  mean.variance /= count * count;
  return mean;
}

TimeRatio time_ratio(const LogRatio& ratio) {
  if (ratio.variance <= 0) return {std::exp(ratio.mean)};
  constexpr double tail = 0.025;
  const auto reach = boost::math::quantile(boost::math::complement(boost::math::students_t(ratio.freedom), tail)) * std::sqrt(ratio.variance);
  return {std::exp(ratio.mean), std::exp(ratio.mean - reach), std::exp(ratio.mean + reach)};
}

double statistic_beyond(const LogRatio& ratio, double margin) { return (std::abs(ratio.mean) - margin) / std::sqrt(ratio.variance); }

double p_beyond(const LogRatio& ratio, double margin) {
  return 2 * boost::math::cdf(boost::math::complement(boost::math::students_t(ratio.freedom), statistic_beyond(ratio, margin)));
}

double least_statistic(double p) { return boost::math::quantile(boost::math::complement(boost::math::normal(), p / 2)); }

}  // namespace p2plab::comparing
