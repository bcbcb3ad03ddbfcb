// SPDX-License-Identifier: Apache-2.0
// Where the nodes of a machine stand in a drawing.
#pragma once

#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab {

/// The centre and extent of a node, in pixels. A bar is a wide switch: lines meet it straight above or below their other end.
struct Placed {
  double x = 0;
  double y = 0;
  double width = 0;
  double height = 0;
  int row = 0;    // rows count upwards from the GPUs, which stand in row 0; NVSwitches stand in row -1
  int place = 0;  // from the left in its row
  bool bar = false;
  double trunk_x = 0;  // in folded drawings: where lines to the network turn, beside the box and above it
  double trunk_y = 0;
};

/// All nodes placed, in the order of their ids; the drawing reaches from 0 to `width` and `height`.
struct Drawing {
  std::vector<Placed> nodes;
  double width = 0;
  double height = 0;
  bool small = false;   // many GPUs: small circles, boxes and letters
  bool circle = false;  // on a circle, with a single switch in its middle; otherwise in rows
  bool grid = false;    // each GPU in its row and place of a grid, whose far ends may be joined
  bool folded = false;  // boxes in rows below their network
};

/// Does a line between two nodes have to be bent, since others stand between them?
bool is_bent(const Drawing& drawing, const Placed& a, const Placed& b);

/// Grids and tori of two dimensions stand as grids. Other machines of GPUs alone, and single switches with many GPUs, stand on a circle; all others
/// in rows by kind, boxes side by side, or folded where those of a network would be wider than a screen.
Drawing place_nodes(const Topology& topology);

}  // namespace p2plab
