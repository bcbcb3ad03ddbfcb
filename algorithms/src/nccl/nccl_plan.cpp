// SPDX-License-Identifier: Apache-2.0
#include "p2plab/plan/nccl_plan.h"

#include <fmt/format.h>

#include "ring/ring_plan.h"

namespace p2plab {

namespace {

// Sums from the chain's end to its head, then the way back, on one chunk a channel; slices make a pipeline of it.
Result<Plan> chains(DataFlow flow, const nccl::Graph& graph) {
  std::vector<Move> moves;
  int channel = 0;
  for (const auto& order : graph.orders) {
    const auto chunk = flow.add_chunk({0, 1, channel++});
    const auto last = static_cast<int>(order.size()) - 1;
    for (int k = 0; k < last; ++k) {
      moves.push_back({k, chunk, order[static_cast<std::size_t>(last - k)], order[static_cast<std::size_t>(last - k - 1)]});
      moves.push_back({last + k, chunk, order[static_cast<std::size_t>(k)], order[static_cast<std::size_t>(k) + 1]});
    }
  }
  push_in_rounds(flow, std::move(moves));
  return std::move(flow).finish(
      "nccl_tree", {},
      fmt::format("the {} chains that NCCL finds, at the costs of our kernels (what NCCL takes says nccl_model)", graph.orders.size()), "use tree");
}

}  // namespace

Result<Plan> nccl_plan(const Topology& topology, const Collective& collective, const nccl::Communicator& communicator, nccl::Algorithm algorithm) {
  using enum CollectiveKind;
  const auto kind = collective.kind;
  const bool by_ring = kind == all_reduce || kind == all_gather || kind == reduce_scatter || kind == broadcast || kind == reduce;
  if (!by_ring) return unsupported("nccl", kind, "NCCL sends point to point there", "take pairwise");
  if (static_cast<int>(collective.members.size()) != topology.ranks())
    return unsupported("nccl", kind, "its model is of all GPUs of a machine", "mask the others");
  auto flow = DataFlow::create(topology, collective);
  if (!flow) return std::move(flow).error();
  if (algorithm == nccl::Algorithm::ring) {
    std::vector<Ring> rings;
    for (const auto& order : communicator.ring.orders) rings.push_back({.order = order});
    const auto reason = fmt::format("the {} rings that NCCL finds, at the costs of our kernels (what NCCL takes says nccl_model)", rings.size());
    return plan_along(*std::move(flow), collective, {std::move(rings)}, {"nccl_ring", {}, reason});
  }
  if (algorithm != nccl::Algorithm::tree || kind != all_reduce || communicator.nodes != 1) {
    return unsupported("nccl", kind, fmt::format("no plan of NCCL's {} is known here", to_string(algorithm)), "take its ring");
  }
  return chains(*std::move(flow), communicator.tree);
}

}  // namespace p2plab
