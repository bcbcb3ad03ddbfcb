// SPDX-License-Identifier: Apache-2.0
#include "bounds/proofs/evaluated_again.h"

#include <fmt/format.h>

#include "bounds/proofs/by_partition.h"
#include "bounds/proofs/cut.h"
#include "p2plab/machine/topology_view.h"

namespace p2plab::bounds {

Result<Bound> evaluated_again(Bound bound, const Topology& topology, std::span<const Block> blocks, const InNetwork& able) {
  constexpr double rounded = 1e-12;  // fractions that do not fit into 64 bits
  if (bound.cut.empty() && bound.part.empty()) return bound;
  const auto proved = bound.part.empty() ? proved_by_cut(topology, bound.kind, bound.members, blocks, bound.cut)
                                         : proved_by_partition(topology, bound.part, able.reduce);
  if (proved.value() >= bound.inverse_rate.value() * (1 - rounded)) return bound;
  return Error{ErrorCode::verification_failed,
               fmt::format("a fault of p2plab: the {} proves {} ns a byte, not {}",
                           bound.part.empty() ? fmt::format("cut {{{}}}", set_of_names(topology, bound.cut)) : "partition", to_string(proved),
                           to_string(bound.inverse_rate)),
               std::nullopt,
               {"please report it"}};
}

}  // namespace p2plab::bounds
