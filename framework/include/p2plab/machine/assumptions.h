// SPDX-License-Identifier: Apache-2.0
// How far a figure rests on numbers of the machine that nobody told.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab {

/// A number that moves a figure, and the figure with that number at its ends.
struct RestsOn {
  SourcedValue value;
  double at_least = 0;
  double at_most = 0;
};

/// All of them, and the figure with all of them at their ends; and what is assumed of the machine without a range to try.
struct AssumedRange {
  std::vector<RestsOn> on = {};
  double least = 0;
  double most = 0;
  std::vector<SourcedValue> also = {};
};

/// Which numbers with a range move `figure` on this machine: each is set to its ends, and the figure taken anew (none: it cannot be, and the number
/// is passed over). The figure must not fall where links get faster, or not rise.
AssumedRange rests_on(const Topology& topology, const std::function<std::optional<double>(const Topology&)>& figure);

/// The machine with every number that has a range at its slow end, and at its fast one.
struct AssumedEnds {
  Topology slowest;
  Topology fastest;
};

/// None where no number of the machine has a range.
std::optional<AssumedEnds> assumed_ends(const Topology& topology);

/// What is assumed, or known within a range only, where data flows: `loads` has a number for each link, as link_loads gives them. What belongs to no
/// link counts always.
std::vector<SourcedValue> open_values(const Topology& topology, std::span<const double> loads);

/// The same as lines, indented by two: "rests on  socket link of host0 - host1: 10 GB/s assumed, 6 to 256 GB/s would give 4 to 31.5 GB/s", and
/// "also assumed  peer access over PCIe (between all GPUs)".
std::string rests_on_text(const AssumedRange& range, const std::string& unit);

}  // namespace p2plab
