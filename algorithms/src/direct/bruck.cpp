// SPDX-License-Identifier: Apache-2.0
// Bruck: all members at once, with peers 1, 2, 4, ... places away around a circle, for any number of members. all_gather: ceil(log2 n) rounds, in
// which each member sends the blocks it has so far to the member d places back; (n-1)/n payloads per rank, both optimal (Bruck et al., 1997).
// reduce_scatter is the same run backwards with sums, all_reduce both in a row: 2 ceil(log2 n) rounds, 2(n-1)/n payloads per rank, also for n that
// is no power of two (Traeff, 2024). all_to_all: a block for the member o places on travels along the ones of o in binary: ceil(log2 n) rounds, but
// about log2(n)/2 times the bytes. Optimal for small messages on switches; far peers make it poor on rings and meshes.
#include <algorithm>

#include "common/alike.h"
#include "common/data_flow.h"
#include "common/estimate.h"

namespace p2plab {

namespace {

class Bruck final : public Planner {
 public:
  bool reads_payload(const Collective&, const Parameters&) const override { return false; }

  // A member's block reaches the one 2^k - 1 places back in k steps of 1, 2, 4, ... places; sums go the same way backwards.
  std::optional<StepChain> chain(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    if (!each_has_data(collective, context.payload)) return std::nullopt;
    const auto& members = collective.members;
    std::vector<std::vector<Rank>> ways(members.size());
    for (std::size_t m = 0; m < members.size(); ++m) {
      for (std::size_t away = 0; away < members.size(); away = 2 * away + 1) ways[m].push_back(members[(m + members.size() - away) % members.size()]);
    }
    return least_chain(topology, collective.kind, ways);
  }

  Result<Plan> plan(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    auto parameters = complete_parameters("bruck", {}, context.parameters);
    if (!parameters) return std::move(parameters).error();
    auto flow = DataFlow::create(topology, collective);
    if (!flow) return std::move(flow).error();
    const auto& members = collective.members;
    const auto n = static_cast<int>(members.size());
    std::vector<Move> moves;
    if (auto fault = collective.kind == CollectiveKind::all_to_all ? std::nullopt : too_long_by_pairs("bruck", collective, context))
      return *std::move(fault);
    switch (collective.kind) {
      case CollectiveKind::all_gather: moves = gather_moves(add_chunks(*flow, n, true), members); break;
      case CollectiveKind::reduce_scatter: moves = reversed(gather_moves(add_chunks(*flow, n, true), members)); break;
      case CollectiveKind::all_reduce: moves = there_and_back(gather_moves(add_chunks(*flow, n, false), members)); break;
      case CollectiveKind::all_to_all: {
        const WrappedGrid circle({members.size()});
        const bool fold = members.size() >= fold_squares_from(context);
        if (const auto alike = fold ? AlikeMembers::create(circle, members, flow->blocks()) : std::nullopt) {
          rotate(*flow, *alike, topology.ranks());
        } else {
          moves = exchange_moves(add_chunks(*flow, n * n, true), members, members.size());
        }
        break;
      }
      default:
        return unsupported("bruck", collective.kind, "it needs every member to give or take equally",
                           "use tree (binomial for gather and scatter), two_shot or pairwise");
    }
    push_in_rounds(*flow, std::move(moves));
    return std::move(*flow).finish("bruck", *std::move(parameters), "peers 1, 2, 4, ... places away: ceil(log2 n) rounds for any n",
                                   "use auto: tree, and ring where there is one, send between neighbours only");
  }

 private:
  static std::vector<ChunkId> add_chunks(DataFlow& flow, int count, bool own_blocks) {
    std::vector<ChunkId> chunks;
    for (int i = 0; i < count; ++i) chunks.push_back(flow.add_chunk({own_blocks ? i : 0, 1, 0}));
    return chunks;
  }

  static std::vector<Move> gather_moves(const std::vector<ChunkId>& chunks, const std::vector<Rank>& members) {
    const auto n = members.size();
    std::vector<Move> moves;
    int round = 0;
    for (std::size_t distance = 1; distance < n; distance *= 2, ++round) {
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t b = 0; b < std::min(distance, n - distance); ++b) {
          moves.push_back({round, chunks[(i + b) % n], members[i], members[(i + n - distance) % n]});
        }
      }
    }
    return moves;
  }

  static std::vector<Move> reversed(std::vector<Move> moves) {
    const int last = moves.empty() ? 0 : moves.back().round;
    for (auto& move : moves) move = {last - move.round, move.chunk, move.to, move.from};
    return moves;
  }

  static std::vector<Move> there_and_back(const std::vector<Move>& back) {
    auto moves = reversed(back);
    const int rounds = back.empty() ? 0 : back.back().round + 1;
    for (const auto& move : back) moves.push_back({move.round + rounds, move.chunk, move.from, move.to});
    return moves;
  }

  // What the first member sends; the others' are its moves rotated.
  static void rotate(DataFlow& flow, const AlikeMembers& alike, int ranks) {
    std::vector<ChunkId> chunks;
    std::vector<Rank> members;
    for (std::size_t k = 0; k < alike.size(); ++k) {
      chunks.push_back(flow.add_chunk({alike.block(0, k), 1, 0}));
      members.push_back(alike.member(k));
    }
    push_in_rounds(flow, exchange_moves(chunks, members, 1));
    alike.fold(flow, ranks);
  }

  // Of the first `senders` members.
  static std::vector<Move> exchange_moves(const std::vector<ChunkId>& chunks, const std::vector<Rank>& members, std::size_t senders) {
    const auto n = members.size();
    std::vector<Move> moves;
    int round = 0;
    for (std::size_t distance = 1; distance < n; distance *= 2, ++round) {
      for (std::size_t offset = distance; offset < n; ++offset) {
        if ((offset & distance) == 0) continue;
        for (std::size_t from = 0; from < senders; ++from) {
          const auto at = from + (offset & (distance - 1));
          moves.push_back({round, chunks[from * n + (from + offset) % n], members[at % n], members[(at + distance) % n]});
        }
      }
    }
    return moves;
  }
};

}  // namespace

namespace planners {
Entry<Planner> bruck() {
  return {"bruck", "peers 1, 2, 4, ... places away: fewest rounds for any number of ranks", {}, [] { return std::make_unique<Bruck>(); }};
}
}  // namespace planners

}  // namespace p2plab
