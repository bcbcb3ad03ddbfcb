// SPDX-License-Identifier: Apache-2.0
#include "bounds/proofs/by_partition.h"

#include <algorithm>
#include <set>

namespace p2plab::bounds {

Rational proved_by_partition(const Topology& topology, std::span<const int> part, std::span<const NodeId> reducing) {
  if (part.size() != topology.nodes().size()) return {};
  std::set<int> with_gpus;
  for (std::size_t v = 0; v < part.size(); ++v) {
    if (topology.nodes()[v].kind == NodeKind::gpu) with_gpus.insert(part[v]);
  }
  if (!std::ranges::all_of(reducing, [&](NodeId node) { return with_gpus.contains(part[node.index()]); })) return {};
  Int128 capacity = 0;
  for (const auto& link : topology.links()) {
    const auto to = part[link.to.index()];
    if (part[link.from.index()] != to && with_gpus.contains(to)) capacity += link.bandwidth.bytes_per_second();
  }
  const auto payloads = 2 * (static_cast<Int128>(with_gpus.size()) - 1);
  return payloads > 0 && capacity > 0 ? reduced(payloads * 1'000'000'000, capacity) : Rational{};
}

}  // namespace p2plab::bounds
