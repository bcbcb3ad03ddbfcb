// SPDX-License-Identifier: Apache-2.0
#include "plan/collective_bound.h"

#include <chrono>
#include <memory>

namespace p2plab {

Limit limit_of(const Topology& topology, const Collective& collective, const std::function<bool()>& stop) {
  constexpr std::chrono::seconds longest{30};
  const auto end = std::chrono::steady_clock::now() + longest;
  auto found = bound(topology, collective, {}, [&] { return (stop && stop()) || std::chrono::steady_clock::now() > end; });
  if (!found) return {.time = [](const Payload&) { return std::nullopt; }, .missing = found.error().message};
  const auto rate = found->algbw_gbps();
  Limit limit{.algbw_gbps = rate > 0 ? std::optional(rate) : std::nullopt, .time = {}, .argument = found->argument};
  for (const auto node : found->cut) limit.cut.push_back(topology.node(node).name);
  limit.bound = std::make_shared<const Bound>(*std::move(found));
  limit.time = [bound = limit.bound](const Payload& payload) { return std::optional(lower_bound(*bound, payload)); };
  return limit;
}

}  // namespace p2plab
