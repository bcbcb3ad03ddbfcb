// SPDX-License-Identifier: Apache-2.0
// Where a row stands in a sweep.
#pragma once

#include <compare>
#include <string>
#include <vector>

namespace p2plab {

/// One axis of a config's matrix and the name of a value on it: "machine", "4 GPUs".
struct AxisValue {
  std::string axis;
  std::string value;
  friend auto operator<=>(const AxisValue&, const AxisValue&) = default;
};

/// One value for each axis, in the config's order; none where there is no matrix.
using Axes = std::vector<AxisValue>;

/// "machine 4 GPUs, loss none".
std::string to_string(const Axes& axes);

}  // namespace p2plab
