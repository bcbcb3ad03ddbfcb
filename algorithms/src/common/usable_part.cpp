// SPDX-License-Identifier: Apache-2.0
#include "common/usable_part.h"

#include <algorithm>

#include "p2plab/detail/narrowed.h"
#include "p2plab/schedule/analysis.h"

namespace p2plab {

Topology usable_part(const Topology& topology, const Collective& collective, const std::function<bool()>& stop) {
  constexpr double far_apart = 1e6;
  auto narrowest = widest_rate(topology);
  const auto widest = narrowest;
  for (const auto& limit : topology.limits()) narrowest = std::min(narrowest, limit.bandwidth);
  if (static_cast<double>(widest.bytes_per_second()) <= far_apart * static_cast<double>(narrowest.bytes_per_second())) return topology;
  const auto best = bound(topology, collective, {}, stop);
  if (!best || best->inverse_rate.numerator == 0) return topology;
  const auto members = static_cast<double>(collective.members.size());
  return narrowed_for(topology, 1e9 / best->inverse_rate.value(), members * members);
}

double share_of_bound(const Topology& topology, const Schedule& schedule, const Bound& bound) {
  const auto most = bound.algbw_gbps();
  if (most <= 0) return 1;
  return std::min(1.0, bottleneck(topology, link_loads(topology, schedule)).algbw_gbps() / most);
}

}  // namespace p2plab
