// SPDX-License-Identifier: Apache-2.0
// What a tuned table says of a size.
#include "p2plab/experiment/tuned.h"

namespace p2plab {

const TunedBand& TunedTable::band(Bytes size) const& {
  expects(!bands.empty());
  const auto* best = &bands.front();
  for (const auto& each : bands) {
    if (each.sizes.front().size <= size) best = &each;
  }
  return *best;
}

const TunedSize& TunedTable::at(Bytes size) const& {
  const auto& sizes = band(size).sizes;
  const auto* best = &sizes.front();
  for (const auto& each : sizes) {
    if (each.size <= size) best = &each;
  }
  return *best;
}

Tuning TunedTable::tuning(Bytes size) const { return at(size).tuning; }

bool MeasuredRows::are_better_apart() const { return apart < fused * 0.99; }

bool TunedSize::by_nccl() const {
  constexpr double tolerated = 1.03;
  return measured && measured->nccl && measured->time > tolerated * *measured->nccl;
}

}  // namespace p2plab
