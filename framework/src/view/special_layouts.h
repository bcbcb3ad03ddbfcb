// SPDX-License-Identifier: Apache-2.0
// Placings of machines that have a shape of their own.
#pragma once

#include <optional>

#include "p2plab/machine/svg_layout.h"

namespace p2plab {

/// On a circle or in rows; `small`: as where there are many GPUs.
Drawing place_plainly(const Topology& topology, bool small);

/// GPUs alone, row after row, each joined to its neighbours in a grid of two dimensions and perhaps over the ends. None if the machine is no such
/// grid.
std::optional<Drawing> place_on_grid(const Topology& topology, bool small);

/// At least four boxes that only a network joins, which stand `unfolded` side by side wider than a screen: in rows below their network. Else none.
std::optional<Drawing> place_folded(const Topology& topology, const Drawing& unfolded);

}  // namespace p2plab
