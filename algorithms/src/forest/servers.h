// Forests of machines that are boxes joined by a network: trees between boxes and trees inside them, packed apart and put together.
#pragma once

#include <optional>

#include "forest_search.h"

namespace p2plab {

/// Every root's data goes to one GPU of each box, the one at the root's own place in its box, and is spread there. `share` is what the links' loads
/// allow, over what `seconds_per_weight` would. Where the wish says so and boxes are alike, trees stand for their images in the other boxes. None if
/// the machine is no boxes of as many GPUs each, if weights differ, or if budgets are shared.
std::optional<Forest> compose_boxes(const Topology& topology, const ForestWish& wish, double seconds_per_weight);

}  // namespace p2plab
