// SPDX-License-Identifier: Apache-2.0
// Parts of a machine that are planned apart: servers, and what joins them.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab {

/// A machine cut out of a larger one.
struct ServerPart {
  Topology topology;
  std::vector<int> nodes;  // in the larger one
  std::vector<LinkId> links;
  std::vector<std::int64_t> shape;  // equal for parts that are alike in this order
};

/// The nodes that are kept, and of the links between them those that `keep_link` keeps.
std::optional<ServerPart> cut_out(const Topology& whole, const std::vector<bool>& keep, const std::function<bool(const Link&)>& keep_link);

/// What links other than those of the network join: the GPUs of each server, in order. `server` becomes each node's server, -1 where none has GPUs.
std::vector<std::vector<int>> servers_of(const Topology& topology, std::vector<int>& server);

/// Leaves out what is no way from one GPU to another: nodes without GPUs behind them.
void drop_dead_ends(const Topology& topology, std::vector<bool>& keep);

}  // namespace p2plab
