// SPDX-License-Identifier: Apache-2.0
#include "plan/collective_bound.h"

#include "p2plab/bounds/bounds.h"

namespace p2plab {

Limit limit_of(const Topology& topology, const Collective& collective, const std::function<bool()>& stop) {
  auto found = bound(topology, collective, {}, stop);
  if (!found) return {.time = [](const Payload&) { return std::nullopt; }, .missing = found.error().message};
  const auto rate = found->algbw_gbps();
  Limit limit{.algbw_gbps = rate > 0 ? std::optional(rate) : std::nullopt, .time = {}, .argument = found->argument};
  for (const auto node : found->cut) limit.cut.push_back(topology.node(node).name);
  limit.time = [bound = *std::move(found)](const Payload& payload) { return std::optional(lower_bound(bound, payload)); };
  return limit;
}

}  // namespace p2plab
