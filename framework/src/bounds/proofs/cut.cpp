// SPDX-License-Identifier: Apache-2.0
#include "bounds/proofs/cut.h"

#include <algorithm>
#include <map>

#include "p2plab/detail/max_flow.h"

namespace p2plab::bounds {

namespace {

// What may cross in one direction, in bytes per second: each link is counted by itself, or with its node's limit on what leaves or enters it,
// whichever sum is least. That is a minimum cut between the nodes on the two sides.
Int128 capacity_out_of(const Topology& topology, const std::vector<bool>& inside) {
  const auto nodes = static_cast<int>(topology.nodes().size());
  std::map<std::pair<int, int>, Int128> crossing;
  Int128 all = 0;
  for (const auto& link : topology.links()) {
    if (!inside[link.from.index()] || inside[link.to.index()]) continue;
    crossing[{link.from.value, link.to.value}] += link.bandwidth.bytes_per_second();
    all += link.bandwidth.bytes_per_second();
  }
  MaxFlow<Int128> flow(nodes + 2);
  const int source = nodes;
  const int sink = nodes + 1;
  for (const auto& [ends, bandwidth] : crossing) flow.add_arc(ends.first, ends.second, bandwidth);
  for (int n = 0; n < nodes; ++n) {
    const auto& node = topology.node(NodeId{n});
    if (inside[static_cast<std::size_t>(n)])
      flow.add_arc(source, n, node.egress ? node.egress->bytes_per_second() : all);
    else
      flow.add_arc(n, sink, node.ingress ? node.ingress->bytes_per_second() : all);
  }
  return flow.run(source, sink, all);
}

// The shares of the blocks that someone inside gives and someone outside wants.
Int128 shares_out_of(const Topology& topology, std::span<const Block> blocks, const std::vector<bool>& inside, bool whole) {
  const auto is_inside = [&](Rank rank) { return static_cast<bool>(inside[topology.node_of(rank).index()]); };
  Int128 sum = 0;
  for (const auto& block : blocks) {
    const bool crosses = std::ranges::any_of(block.contributors, is_inside) && !std::ranges::all_of(block.receivers, is_inside);
    if (crosses && block.share > 0) sum += whole ? 1 : block.share;
  }
  return sum;
}

}  // namespace

Rational proved_by_cut(const Topology& topology, CollectiveKind kind, int members, std::span<const Block> blocks, const std::vector<NodeId>& inside) {
  std::vector<bool> set(topology.nodes().size());
  for (const auto node : inside) set[node.index()] = true;
  const bool whole = !sharded(kind);
  Int128 total = 0;
  for (const auto& block : blocks) total += block.share;
  Rational most;
  for (const bool entering : {false, true}) {
    if (entering) set.flip();
    const auto capacity = capacity_out_of(topology, set);
    const auto shares = shares_out_of(topology, blocks, set, whole);
    if (capacity == 0 || shares == 0) continue;
    const auto part = whole ? Rational{static_cast<std::int64_t>(shares), 1} : reduced(shares * members, total);
    most = std::max(most, reduced(static_cast<Int128>(part.numerator) * 1'000'000'000, capacity * part.denominator));
  }
  return most;
}

}  // namespace p2plab::bounds
