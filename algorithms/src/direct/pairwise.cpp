// SPDX-License-Identifier: Apache-2.0
// Pairwise: every sender sends each block straight to each of its receivers, in round k to the member k places further on, so that at any time
// each member sends to one and takes from one. n-1 sends of each member, none of which waits for another (one dependent round); each block
// crosses the fabric once per receiver, which is the least for all_to_all, gather, scatter and send_receive. Optimal for all_to_all wherever all
// pairs are joined by ports of their own (Bruck et al., 1997, section 3.1; MPICH's and NCCL's all-to-all are of this form).
#include <vector>

#include "common/data_flow.h"

namespace p2plab {

namespace {

class Pairwise final : public Planner {
 public:
  bool reads_payload(const Collective&) const override { return false; }
  Result<Plan> plan(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    auto parameters = complete_parameters("pairwise", {}, context.parameters);
    if (!parameters) return std::move(parameters).error();
    auto flow = DataFlow::create(topology, collective, *context.routes);
    if (!flow) return std::move(flow).error();
    if (collective.kind == CollectiveKind::all_reduce) {
      return unsupported("pairwise", collective.kind, "each member's data must reach all others and be added there",
                         "use one_shot, which is the direct all_reduce");
    }
    push_in_rounds(*flow, sends(*flow, collective));
    return std::move(*flow).finish("pairwise", *std::move(parameters),
                                   "each block goes straight from sender to receiver, in round k to the member k places on",
                                   "use ring or tree, which only send between neighbours");
  }

 private:
  static std::vector<Move> sends(DataFlow& flow, const Collective& collective) {
    const auto n = static_cast<int>(collective.members.size());
    std::vector<Move> moves;
    for (std::size_t b = 0; b < flow.blocks().size(); ++b) {
      const auto chunk = flow.add_chunk({static_cast<std::int32_t>(b), 1, 0});
      const auto& block = flow.blocks()[b];
      for (const auto from : block.contributors) {
        for (const auto to : block.receivers) {
          const int distance = (position_of(collective, to) - position_of(collective, from) + n) % n;
          if (distance > 0) moves.push_back({distance, chunk, from, to});
        }
      }
    }
    return moves;
  }
};

}  // namespace

namespace planners {
Entry<Planner> pairwise() {
  return {"pairwise", "each block straight from sender to receiver, one peer at a time: least bytes for all_to_all", {}, [] {
            return std::make_unique<Pairwise>();
          }};
}
}  // namespace planners

}  // namespace p2plab
