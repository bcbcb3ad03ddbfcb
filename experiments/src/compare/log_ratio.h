// SPDX-License-Identifier: Apache-2.0
// Repeats of one thing in two reports: the logarithm of how much longer one takes, and how sure that is.
#pragma once

#include <optional>
#include <span>

#include "p2plab/base/units.h"
#include "p2plab/report/compare.h"

namespace p2plab::comparing {

/// Mean of log(time of b / time of a), the variance of that mean, and the degrees of freedom with which the variance is known. Times of repeats are
/// skewed and spread by a share of themselves; their logarithms are near to normal and spread alike.
struct LogRatio {
  double mean = 0;
  double variance = 0;
  double freedom = 1;
};

/// By Yuen's test, which is Welch's of trimmed means; none where one has less than two repeats or a time that is not above zero.
std::optional<LogRatio> log_ratio(std::span<const Seconds> a, std::span<const Seconds> b);

/// The mean of independent ones (Welch-Satterthwaite).
LogRatio mean_of(std::span<const LogRatio> ratios);

/// Back from logarithms, with the 95 % interval of Student's t.
TimeRatio time_ratio(const LogRatio& ratio);

/// How probable is a mean so far from zero, in both directions together, if the truth lies at most `margin` from it?
double p_beyond(const LogRatio& ratio, double margin);

/// No Student's t whatever its freedom has a p below this with a smaller statistic: saves most calls of p_beyond.
double least_statistic(double p);
double statistic_beyond(const LogRatio& ratio, double margin);

}  // namespace p2plab::comparing
