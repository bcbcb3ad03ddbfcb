// SPDX-License-Identifier: Apache-2.0
// Which links a transfer between two end points takes when a schedule names no path of its own: `topology.routes()`.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "p2plab/machine/topology.h"

namespace p2plab {

/// Paths between all GPUs, and between each GPU and each rank's host memory: the way that a peer access takes. Between two GPUs that is over NVLink,
/// NVSwitch and other links of their own where there is such a way, else within their server, else over a network; hosts and NICs do not forward what
/// comes from one NIC to another. Among those paths it is the widest one (largest least bandwidth), then the one with the least latency, then the
/// fewest links, then the lowest link ids; it never passes through a GPU. PCIe goes up its tree and down again, never up by a neighbour's way. Links
/// that run beside each other count together; a path names the first. Paths are looked for when one of their sender is first asked for, by any
/// thread; of senders that the machine's symmetries carry onto each other once, if no path has an equal.
class Routes {
 public:
  ~Routes();
  Routes(const Routes&) = delete;
  Routes& operator=(const Routes&) = delete;

  /// Links from `from`'s GPU to `to`'s GPU in order; empty if there is no path or from == to.
  std::span<const LinkId> between(Rank from, Rank to) const;
  /// Links from a GPU to the pinned host memory of `owner`, and back.
  std::span<const LinkId> to_host(Rank from, Rank owner) const;
  std::span<const LinkId> from_host(Rank owner, Rank to) const;

  /// Can data go from one GPU's memory to another's without passing through a third GPU? True for from == to.
  bool connected(Rank from, Rank to) const { return from == to || !between(from, to).empty(); }
  /// The host node that holds a rank's pinned memory: the one with the widest path from it, of several the nearest;
  /// none if no host is reachable.
  std::optional<NodeId> host_of(Rank rank) const;
  /// The least bandwidth along a path; zero for an empty one.
  Bandwidth bottleneck(std::span<const LinkId> path) const;

 private:
  friend class Topology;
  // Looked for in `topology`, which does not own its data: that holds the routes.
  explicit Routes(const Topology& topology);

  class Table;
  std::unique_ptr<const Table> table_;
};

}  // namespace p2plab
