// SPDX-License-Identifier: Apache-2.0
#include "p2plab/simulator/chain_floor.h"

#include <algorithm>

#include "floors/hop_costs.h"

namespace p2plab {

Seconds chain_floor(const StepChain& chain, const Topology& topology, CollectiveKind kind, const Payload& payload, const Profile& profile) {
  constexpr double rounded = 1e-6;  // of times in the model, at most
  if (chain.steps < 1 || payload.elements <= 0) return Seconds{0};
  const auto time_of = [&](const HopCosts& costs) {
    const auto last = costs.kind == ProgramKind::packets ? costs.signal : 0;
    return costs.start + chain.steps * costs.step + (chain.steps - 1) * costs.signal + chain.latency.count() + last;
  };
  const auto all = hop_costs(topology, kind, payload, profile);
  return Seconds{time_of(*std::ranges::min_element(all, {}, time_of)) * (1 - rounded)};
}

}  // namespace p2plab
