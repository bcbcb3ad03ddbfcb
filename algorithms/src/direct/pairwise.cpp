// SPDX-License-Identifier: Apache-2.0
// Pairwise: every sender sends each block straight to each of its receivers, in round k to the member k places further on, so that at any time
// each member sends to one and takes from one. n-1 sends of each member, none of which waits for another (one dependent round); each block
// crosses the fabric once per receiver, which is the least for all_to_all, gather, scatter and send_receive. Optimal for all_to_all wherever all
// pairs are joined by ports of their own (Bruck et al., 1997, section 3.1; MPICH's and NCCL's all-to-all do so).
#include <vector>

#include "common/alike.h"
#include "common/data_flow.h"
#include "islands/rotated_islands.h"

namespace p2plab {

namespace {

class Pairwise final : public Planner {
 public:
  bool reads_payload(const Collective&, const Parameters&) const override { return false; }
  Result<Plan> plan(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    auto parameters = complete_parameters("pairwise", {}, context.parameters);
    if (!parameters) return std::move(parameters).error();
    auto flow = DataFlow::create(topology, collective);
    if (!flow) return std::move(flow).error();
    if (collective.kind == CollectiveKind::all_reduce) {
      return unsupported("pairwise", collective.kind, "each member's data must reach all others and be added there",
                         "use one_shot, which is the direct all_reduce");
    }
    const auto n = collective.members.size();
    const bool to_many = collective.kind == CollectiveKind::all_gather || collective.kind == CollectiveKind::reduce_scatter;
    const auto rotated = to_many ? RotatedMembers::create(topology, collective, context) : std::nullopt;
    if (auto fault = to_many && !rotated ? too_long_by_pairs("pairwise", collective, context) : std::nullopt) return *std::move(fault);
    const auto alike = n >= fold_squares_from(context) ? AlikeMembers::create(WrappedGrid({n}), collective.members, flow->blocks()) : std::nullopt;
    if (alike) {
      rotate(*flow, *alike, topology.ranks());
    } else if (rotated) {
      rotate(*flow, *rotated, collective.kind == CollectiveKind::all_gather);
    } else {
      push_in_rounds(*flow, sends(*flow, collective));
    }
    return std::move(*flow).finish("pairwise", *std::move(parameters),
                                   "each block goes straight from sender to receiver, in round k to the member k places on",
                                   "use auto: tree, and ring where there is one, send between neighbours only");
  }

 private:
  // The first member's sends, round by round; the others' are theirs rotated.
  static void rotate(DataFlow& flow, const AlikeMembers& alike, int ranks) {
    std::vector<Move> moves;
    for (std::size_t k = 0; k < alike.distances().size(); ++k) {
      const auto chunk = flow.add_chunk({alike.block(0, k), 1, 0});
      const auto distance = alike.distances()[k];
      if (distance > 0) moves.push_back({static_cast<int>(distance), chunk, alike.member(0), alike.member(distance)});
    }
    push_in_rounds(flow, std::move(moves));
    alike.fold(flow, ranks);
  }

  // What the first member sends, or what it is sent, round by round.
  static void rotate(DataFlow& flow, const RotatedMembers& rotated, bool gathers) {
    const auto chunk = flow.add_chunk(rotated.first_chunk(true));
    const auto others = gathers ? rotated.after() : rotated.before();
    for (std::size_t k = 1; k < others.size(); ++k) {
      gathers ? flow.push(rotated.first(), others[k], chunk) : flow.push(others[k], rotated.first(), chunk);
    }
    rotated.fold(flow, true);
  }

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
