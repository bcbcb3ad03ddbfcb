// SPDX-License-Identifier: Apache-2.0
#include "p2plab/machine/routes.h"

#include <algorithm>
#include <optional>

#include "machine/path_finder.h"

namespace p2plab {

namespace {

// Of two hosts as wide, the nearer: memory on the GPU's own socket, though the link between the sockets may be no bottleneck.
std::optional<NodeId> widest_host(const Topology& topology, PathFinder& finder) {
  std::optional<NodeId> best;
  PathDelay best_delay;
  for (std::size_t i = 0; i < topology.nodes().size(); ++i) {
    const NodeId node{static_cast<std::int64_t>(i)};
    if (topology.node(node).kind != NodeKind::host || finder.width_to(node) == 0) continue;
    const auto delay = finder.delay_of(finder.path_to(node));
    const bool better =
        !best || finder.width_to(node) > finder.width_to(*best) || (finder.width_to(node) == finder.width_to(*best) && delay < best_delay);
    if (!better) continue;
    best = node;
    best_delay = delay;
  }
  return best;
}

// Paths out of one node, each over the nearest reach that has one.
class NearestPaths {
 public:
  explicit NearestPaths(const Topology& topology) : topology_(topology) {
    for (const auto reach : {Reach::fabric, Reach::server, Reach::anywhere}) finders_.emplace_back(topology, reach);
  }

  void start(NodeId source) {
    source_ = source;
    started_ = 0;
  }

  std::vector<LinkId> path_to(NodeId target) {
    if (target == source_) return {};
    // Host memory is no GPU's: the way to it need not be the fabric.
    for (std::size_t i = topology_.node(target).kind == NodeKind::host ? 1 : 0; i < finders_.size(); ++i) {
      if (!finders_[i].leaves(source_)) continue;
      if (auto path = started(i).path_to(target); !path.empty()) return path;
    }
    return {};
  }

  // The host that holds the pinned memory of a GPU, in its own server if there is one.
  std::optional<NodeId> host_of(NodeId gpu) {
    start(gpu);
    for (const std::size_t i : {1, 2}) {
      if (auto host = widest_host(topology_, started(i))) return host;
    }
    return std::nullopt;
  }

 private:
  PathFinder& started(std::size_t finder) {
    if ((started_ >> finder & 1U) == 0) finders_[finder].start(source_);
    started_ |= 1U << finder;
    return finders_[finder];
  }

  const Topology& topology_;
  std::vector<PathFinder> finders_;
  NodeId source_;
  unsigned started_ = 0;  // a bit for each finder
};

}  // namespace

Routes::Routes(const Topology& topology) : topology_(topology), parallel_(topology) {
  NearestPaths paths(topology);
  const auto ranks = static_cast<std::size_t>(topology.ranks());
  std::vector<NodeId> ends;
  for (std::size_t r = 0; r < ranks; ++r) {
    ends.push_back(topology.node_of(Rank{static_cast<std::int64_t>(r)}));
    hosts_.push_back(paths.host_of(ends.back()));
  }
  for (const auto& host : hosts_) {
    const auto found = host ? std::ranges::find(ends, *host) : ends.end();
    host_end_.push_back(static_cast<std::size_t>(found - ends.begin()));
    if (host && found == ends.end()) ends.push_back(*host);
  }
  ends_ = ends.size();
  offsets_.push_back(0);
  for (const auto from : ends) {
    paths.start(from);
    for (const auto to : ends) {
      const auto path = paths.path_to(to);
      links_.insert(links_.end(), path.begin(), path.end());
      offsets_.push_back(links_.size());
    }
  }
}

std::span<const LinkId> Routes::path(std::size_t from, std::size_t to) const {
  const auto pair = from * ends_ + to;
  return {links_.data() + offsets_[pair], offsets_[pair + 1] - offsets_[pair]};
}

std::span<const LinkId> Routes::between(Rank from, Rank to) const& { return path(from.index(), to.index()); }

std::span<const LinkId> Routes::to_host(Rank from, Rank owner) const& {
  return hosts_[owner.index()] ? path(from.index(), host_end_[owner.index()]) : std::span<const LinkId>{};
}

std::span<const LinkId> Routes::from_host(Rank owner, Rank to) const& {
  return hosts_[owner.index()] ? path(host_end_[owner.index()], to.index()) : std::span<const LinkId>{};
}

Bandwidth Routes::bottleneck(std::span<const LinkId> path) const {
  Bandwidth least;
  for (const auto id : path) {
    const auto width = parallel_.together(id);
    least = least == Bandwidth{} ? width : std::min(least, width);
  }
  return least;
}

}  // namespace p2plab
