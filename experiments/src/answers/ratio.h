// SPDX-License-Identifier: Apache-2.0
// One time over another, with the interval that follows from theirs.
#pragma once

#include <optional>
#include <string>

#include "p2plab/report/report.h"

namespace p2plab::answers {

/// Both times are predicted from one profile, so its numbers are at the same ends in both: the interval is that of the quotients of like ends.
struct Ratio {
  double value = 1;
  std::optional<double> low = std::nullopt;
  std::optional<double> high = std::nullopt;
};

/// What a row says: by a device's clock where it has one, else the prediction.
std::optional<Seconds> time_of(const Row& row);

/// time of a / time of b; none where one has no time or takes none.
std::optional<Ratio> ratio_of(const Row& a, const Row& b);

/// "1.05x", "12x": three digits are more than any prediction holds.
std::string times_text(double factor);
/// "2.41x (2.30 to 2.55x)".
std::string times_text(const Ratio& ratio);
/// "6.1 % (5.9 to 6.4 %)" of a ratio above 1.
std::string percent_text(const Ratio& ratio);
std::string percent_text(double ratio);
/// "2.57 us (2.28 to 2.86 us)".
std::string time_text(const Row& row);

}  // namespace p2plab::answers
