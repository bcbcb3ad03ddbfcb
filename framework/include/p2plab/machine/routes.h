// SPDX-License-Identifier: Apache-2.0
// Which links a transfer between two end points takes when a schedule names no path of its own: `topology.routes()`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab {

/// Which pairs of GPUs have paths that are alike: what hangs on that alone is asked for once of each kind, not of millions of pairs. Paths are alike
/// if link by link kind, latency and bandwidth (of those that run beside each other together) are the same, and the kind of the node that the link
/// leads to. Kinds count from 0: no path, as from a rank to itself.
class PairKinds {
 public:
  static constexpr std::uint32_t no_path = 0;

  /// Receivers [begin, end) of one kind.
  struct Stretch {
    std::int64_t begin = 0;
    std::int64_t end = 0;
    std::uint32_t kind = no_path;
  };

  std::uint32_t of(Rank from, Rank to) const;
  /// All receivers of a sender in stretches, as long as can be.
  std::span<const Stretch> from(Rank sender) const& { return {stretches_.data() + places_[sender.index()].first, places_[sender.index()].second}; }
  std::span<const Stretch> from(Rank sender) && = delete;
  /// How many kinds there are, 0 included.
  std::size_t count() const { return examples_.size(); }
  /// Does a path lead from each rank to each other one?
  bool all_connected() const { return all_connected_; }

  /// By kind: what `what(from, to)` says of the first pair of each; `none` where there is no path.
  template <class What, class Value>
  std::vector<Value> each(Value none, const What& what) const {
    std::vector<Value> all{std::move(none)};
    for (std::size_t kind = 1; kind < examples_.size(); ++kind) all.push_back(what(examples_[kind].first, examples_[kind].second));
    return all;
  }

 private:
  friend class PairKindsBuilder;
  std::vector<Stretch> stretches_;
  std::vector<std::pair<std::size_t, std::size_t>> places_;  // by sender: in `stretches_`, the first and how many
  std::vector<std::pair<Rank, Rank>> examples_;              // by kind
  bool all_connected_ = true;
};

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
  bool connected(Rank from, Rank to) const;
  /// Which pairs have paths that are alike, found when it is first asked for.
  const PairKinds& kinds() const;
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
