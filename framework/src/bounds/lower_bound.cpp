// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "p2plab/bounds/bounds.h"

namespace p2plab {

double Bound::algbw_gbps() const {
  if (inverse_rate.numerator == 0) return 0;
  const bool whole = kind == CollectiveKind::all_reduce || kind == CollectiveKind::broadcast || kind == CollectiveKind::reduce ||
                     kind == CollectiveKind::send_receive;
  return (whole ? 1 : members) / inverse_rate.value();
}

Seconds lower_bound(const Bound& bound, const Payload& payload) {
  if (payload.elements <= 0) return Seconds{0};
  // Blocks are whole elements: a block of share s holds at least its share of the payload less one element.
  std::int64_t total = 0;
  std::int64_t least = 0;
  for (const auto share : bound.shares) {
    total += share;
    if (share > 0 && (least == 0 || share < least)) least = share;
  }
  auto sure = payload.elements;
  if (total > least && least > 0) {
    const bool equal = total % least == 0 && std::ranges::all_of(bound.shares, [&](auto s) { return s == 0 || s == least; });
    sure = equal ? payload.elements - payload.elements % (total / least) : std::max<std::int64_t>(0, payload.elements - (total + least - 1) / least);
  }
  if (sure == 0) return Seconds{0};
  // What a linear program's solver leaves open.
  constexpr double solver_tolerance = 1e-8;
  const double algbw = bound.algbw_gbps();
  const double bytes = static_cast<double>(sure) * size_of(payload.type);
  const auto transfer = algbw > 0 ? Seconds{bytes / (algbw * 1e9) * (1 - solver_tolerance)} + bound.cut_latency : Seconds{0};
  return std::max(transfer, bound.latency);
}

}  // namespace p2plab
