// SPDX-License-Identifier: Apache-2.0
#include "lowering/lowering.h"
#include "p2plab/program/even_payloads.h"
#include "p2plab/program/packet_traffic.h"

namespace p2plab {

PacketTraffic packet_traffic(const Schedule& schedule, const Proof& proof, const Program& folded) {
  const auto even = even_payloads(schedule, folded.payload);
  const auto base = Lowering{schedule, proof, even->above, folded.tuning, folded.in_place, folded.images}.run(Lowered::image);
  auto traffic = packet_traffic(base);
  // What the base has ranks do that do the same, each of them does.
  for (auto* by_rank : {&traffic.sent, &traffic.apart}) {
    std::vector<std::int64_t> sums(by_rank->size());
    const auto of = [&](std::size_t rank) { return folded.images->representative(Rank{static_cast<std::int64_t>(rank)}).index(); };
    for (std::size_t r = 0; r < sums.size(); ++r) sums[of(r)] += (*by_rank)[r];
    for (std::size_t r = 0; r < sums.size(); ++r) (*by_rank)[r] = sums[of(r)];
  }
  return traffic;
}

}  // namespace p2plab
