// SPDX-License-Identifier: Apache-2.0
// Forests of machines that are servers joined by a network: trees between servers and trees inside them, packed apart and put together.
#pragma once

#include <optional>

#include "forest/search.h"

namespace p2plab {

/// Every root's data goes to one GPU of each server, the one at the root's own place in its server, and is spread there. `share` is what the links'
/// loads allow, over what `seconds_per_weight` would. Where the request says so and servers are alike, trees stand for their images in the other
/// servers. None if the machine is not a set of equal servers, if weights differ, or if budgets are shared.
std::optional<Forest> compose_servers(const Topology& topology, const ForestRequest& request, double seconds_per_weight);

}  // namespace p2plab
