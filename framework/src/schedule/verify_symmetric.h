// SPDX-License-Identifier: Apache-2.0
// What must hold of the images of a folded schedule, so that what is proved of its base holds of them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "p2plab/machine/topology.h"
#include "p2plab/schedule/schedule.h"

namespace p2plab {

/// Ranks (and routes) of all images together: what a hostile file can make us hold.
constexpr std::size_t most_image_entries = std::size_t{1} << 24;

/// Every chunk of an image has the contributors and receivers of the base's chunk, moved by the image; and wherever a rank of the base reads or
/// writes, the rank in the image reaches the place in the image, explicit routes included. What is wrong; none if nothing is.
std::optional<std::string> fault_of_images(const Topology& topology, const Schedule& schedule);

}  // namespace p2plab
