// SPDX-License-Identifier: Apache-2.0
#include "bounds/partition.h"

#include <algorithm>
#include <numeric>

namespace p2plab::bounds {

namespace {

class Parts {
 public:
  explicit Parts(const Topology& topology) : topology_(topology), parent_(topology.nodes().size()) { std::iota(parent_.begin(), parent_.end(), 0); }

  void join(const Link& link) { parent_[top(link.from.index())] = top(link.to.index()); }

  Partition measure(std::span<const NodeId> reducing) {
    std::vector<bool> has_gpu(parent_.size());
    Partition partition{0, 0};
    for (int r = 0; r < topology_.ranks(); ++r) {
      const auto part = top(topology_.node_of(Rank{r}).index());
      partition.parts += has_gpu[part] ? 0 : 1;
      has_gpu[part] = true;
    }
    if (std::ranges::any_of(reducing, [&](NodeId node) { return !has_gpu[top(node.index())]; })) return {0, 1};
    for (const auto& link : topology_.links()) {
      const auto part = top(link.to.index());
      if (has_gpu[part] && top(link.from.index()) != part) partition.capacity += link.bandwidth.bytes_per_second();
    }
    for (std::size_t v = 0; v < parent_.size(); ++v) partition.part.push_back(static_cast<int>(top(v)));
    return partition;
  }

 private:
  std::size_t top(std::size_t v) {
    while (parent_[v] != v) v = parent_[v] = parent_[parent_[v]];
    return v;
  }
  const Topology& topology_;
  std::vector<std::size_t> parent_;
};

}  // namespace

Rational Partition::inverse_rate() const {
  return parts > 1 && capacity > 0 ? reduced(static_cast<Int128>(2 * (parts - 1)) * 1'000'000'000, capacity) : Rational{};
}

Partition worst_partition(const Topology& topology, std::span<const NodeId> reducing) {
  std::vector<const Link*> links;
  for (const auto& link : topology.links()) links.push_back(&link);
  std::ranges::sort(links, [](const Link* a, const Link* b) { return a->bandwidth > b->bandwidth; });
  Parts parts(topology);
  auto worst = parts.measure(reducing);
  for (std::size_t i = 0; i < links.size();) {
    for (const auto width = links[i]->bandwidth; i < links.size() && links[i]->bandwidth == width; ++i) parts.join(*links[i]);
    if (auto partition = parts.measure(reducing); partition.inverse_rate() > worst.inverse_rate()) worst = std::move(partition);
  }
  return worst;
}

}  // namespace p2plab::bounds
