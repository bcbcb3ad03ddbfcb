// SPDX-License-Identifier: Apache-2.0
#include "floors/delays.h"

#include <algorithm>
#include <queue>
#include <tuple>
#include <utility>

#include "p2plab/detail/symmetry.h"

namespace p2plab {

namespace {

constexpr double far = std::numeric_limits<double>::infinity();

}  // namespace

std::vector<NodeId> unlike_gpus(const Topology& topology) {
  constexpr int many = 64;
  const bool looks = topology.ranks() >= many;
  std::vector<const std::vector<std::int32_t>*> images;
  if (looks) {
    for (const auto& symmetry : topology.symmetries()) images.push_back(&symmetry.nodes);
  }
  const auto orbit = orbits(topology.nodes().size(), images);
  std::vector<bool> known(orbit.size());
  std::vector<NodeId> unlike;
  for (int r = 0; r < topology.ranks(); ++r) {
    const auto node = topology.node_of(Rank{r});
    const auto kind = static_cast<std::size_t>(orbit[node.index()]);
    if (!known[kind]) unlike.push_back(node);
    known[kind] = true;
  }
  return unlike;
}

std::vector<double> delays(const Topology& topology, std::span<const NodeId> ends, Towards towards, double stop) {
  std::vector<double> known(topology.nodes().size(), far);
  std::priority_queue<std::pair<double, std::int32_t>> queue;  // minus the delay, so that the least comes first
  std::vector<bool> is_end(known.size());
  for (const auto end : ends) {
    known[end.index()] = 0;
    is_end[end.index()] = true;
    queue.emplace(0.0, end.value);
  }
  while (!queue.empty()) {
    const auto [minus, value] = queue.top();
    queue.pop();
    const NodeId node{value};
    if (-minus > known[node.index()]) continue;
    const bool passes_on = topology.node(node).kind == NodeKind::gpu && !is_end[node.index()];
    const double here = -minus + (passes_on ? stop : 0);
    for (const auto id : towards == Towards::from_them ? topology.out_links(node) : topology.in_links(node)) {
      const auto& link = topology.link(id);
      const auto next = towards == Towards::from_them ? link.to : link.from;
      const double time = here + link.latency.count();
      if (time >= known[next.index()]) continue;
      known[next.index()] = time;
      queue.emplace(-time, next.value);
    }
  }
  return known;
}

// Is it news here?
bool NearestGpus::Nearest::take(double time, int of) {
  if (of == label[0] || time >= delay[1]) return false;
  const std::size_t place = label[0] < 0 ? 0 : 1;
  delay[place] = time;
  label[place] = of;
  return true;
}

NearestGpus::NearestGpus(const Topology& topology, std::span<const int> labels) : nearest_(topology.nodes().size()) {
  using Entry = std::tuple<double, std::int32_t, int>;  // minus the delay, node, label
  std::priority_queue<Entry> queue;
  const auto leave = [&](NodeId node, double time, int label) {
    for (const auto id : topology.out_links(node)) {
      const auto& link = topology.link(id);
      queue.emplace(-(time + link.latency.count()), link.to.value, label);
    }
  };
  for (int r = 0; r < topology.ranks(); ++r) {
    const auto node = topology.node_of(Rank{r});
    nearest_[node.index()].take(0, labels[static_cast<std::size_t>(r)]);
    leave(node, 0, labels[static_cast<std::size_t>(r)]);
  }
  while (!queue.empty()) {
    const auto [minus, value, label] = queue.top();
    queue.pop();
    const NodeId node{value};
    if (!nearest_[node.index()].take(-minus, label)) continue;
    if (topology.node(node).kind == NodeKind::gpu) {
      apart_ = std::min(apart_, -minus);
    } else {
      leave(node, -minus, label);
    }
  }
}

}  // namespace p2plab
