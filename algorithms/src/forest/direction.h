// SPDX-License-Identifier: Apache-2.0
// Which way data goes along the trees of a forest.
#pragma once

#include <array>
#include <cstdint>

namespace p2plab {

/// In trees `towards_root` data runs against their edges, which lead away from the root.
enum class TreeDirection : std::uint8_t { towards_root, from_root };
inline constexpr std::array both_directions{TreeDirection::towards_root, TreeDirection::from_root};

constexpr bool is_inwards(TreeDirection direction) { return direction == TreeDirection::towards_root; }

}  // namespace p2plab
