// SPDX-License-Identifier: Apache-2.0
#include "paths/nearest_paths.h"

namespace p2plab {

NearestPaths::NearestPaths(const Topology& topology) : topology_(topology) {
  for (const auto reach : {Reach::fabric, Reach::server, Reach::anywhere}) finders_.emplace_back(topology, reach);
}

void NearestPaths::start(NodeId source) {
  source_ = source;
  started_ = 0;
}

std::vector<LinkId> NearestPaths::path_to(NodeId target) {
  only_one_ = true;
  if (target == source_) return {};
  // Host memory is no GPU's: the way to it need not be the fabric.
  for (std::size_t i = topology_.node(target).kind == NodeKind::host ? 1 : 0; i < finders_.size(); ++i) {
    if (!finders_[i].leaves(source_)) continue;
    auto path = started(i).path_to(target);
    if (path.empty()) continue;
    only_one_ = finders_[i].only_one();
    return path;
  }
  return {};
}

std::pair<std::optional<NodeId>, bool> NearestPaths::host_of(NodeId gpu) {
  start(gpu);
  for (const std::size_t i : {1, 2}) {
    if (auto host = widest_host(started(i)); host.first) return host;
  }
  return {std::nullopt, true};
}

PathFinder& NearestPaths::started(std::size_t finder) {
  if ((started_ >> finder & 1U) == 0) finders_[finder].start(source_);
  started_ |= 1U << finder;
  return finders_[finder];
}

// Of two hosts as wide, the nearer: memory on the GPU's own socket, though the link between the sockets may be no bottleneck.
std::pair<std::optional<NodeId>, bool> NearestPaths::widest_host(PathFinder& finder) const {
  std::optional<NodeId> best;
  PathDelay best_delay;
  bool only_one = true;
  for (std::size_t i = 0; i < topology_.nodes().size(); ++i) {
    const NodeId node{static_cast<std::int64_t>(i)};
    if (topology_.node(node).kind != NodeKind::host || finder.width_to(node) == 0) continue;
    const auto delay = finder.delay_of(finder.path_to(node));
    const bool as_wide = best && finder.width_to(node) == finder.width_to(*best);
    const bool better = !best || finder.width_to(node) > finder.width_to(*best) || (as_wide && delay < best_delay);
    only_one = better || (only_one && !(as_wide && delay == best_delay));
    if (!better) continue;
    best = node;
    best_delay = delay;
  }
  return {best, only_one};
}

}  // namespace p2plab
