// SPDX-License-Identifier: Apache-2.0
// Bounds by linear programs, for what cuts alone cannot say: shared budgets, node limits, switches that may not copy, two trees on one link.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab::bounds {

/// Something to be sent from a source to several sinks, in parts of its own for each.
struct Commodity {
  int source;
  std::vector<std::pair<int, std::int64_t>> sinks;
};

/// What a linear program found: bytes per second of weight 1, and the prices of the machine's limits, by Topology::limits(), that prove it.
struct PricedRate {
  double rate = 0;
  std::vector<double> prices = {};
};

/// The greatest rate for all commodities at once; with `reversed`, data runs from the sinks to the source. None if the solver gives up, as it does
/// once `stop` says so.
std::optional<PricedRate> flow_rate(const Topology& topology, const std::vector<Commodity>& commodities, bool reversed,
                                    const std::function<bool()>& stop = {});

}  // namespace p2plab::bounds
