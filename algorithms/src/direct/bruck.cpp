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
#include "p2plab/machine/routes.h"

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
    std::vector<ScheduleImage> images;
    switch (collective.kind) {
      case CollectiveKind::all_gather:
      case CollectiveKind::reduce_scatter:
      case CollectiveKind::all_reduce: {
        const auto places = may_turn(topology, collective, context) ? least_turn(topology, members) : members.size();
        if (places < members.size()) images = all_turns_by(places, members);
        if (auto fault = images.empty() ? too_long_by_pairs("bruck", collective, context) : too_long("bruck", places * (members.size() - 1), context))
          return *std::move(fault);
        moves = moves_of(add_chunks(*flow, static_cast<int>(places), collective.kind != CollectiveKind::all_reduce), members, collective.kind);
        break;
      }
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
    if (!images.empty()) fold(*flow, images, n, collective.kind != CollectiveKind::all_reduce);
    return std::move(*flow).finish("bruck", *std::move(parameters), "peers 1, 2, 4, ... places away: ceil(log2 n) rounds for any n",
                                   "use auto: tree, and ring where there is one, send between neighbours only");
  }

 private:
  static std::vector<ChunkId> add_chunks(DataFlow& flow, int count, bool own_blocks) {
    std::vector<ChunkId> chunks;
    for (int i = 0; i < count; ++i) chunks.push_back(flow.add_chunk({own_blocks ? i : 0, 1, 0}));
    return chunks;
  }

  // The fewest places, a divisor of their number, by which the circle turns so that all hops take paths of their kind.
  static std::size_t least_turn(const Topology& topology, const std::vector<Rank>& members) {
    const auto n = members.size();
    const auto& kinds = topology.routes().kinds();
    const auto keeps_kinds = [&](std::size_t places) {
      for (std::size_t k = 0; k < n; ++k) {
        for (std::size_t distance = 1; distance < n; distance *= 2) {
          const auto turned = k + places;
          if (kinds.of(members[k], members[(k + distance) % n]) != kinds.of(members[turned % n], members[(turned + distance) % n]) ||
              kinds.of(members[(k + distance) % n], members[k]) != kinds.of(members[(turned + distance) % n], members[turned % n]))
            return false;
        }
      }
      return true;
    };
    std::size_t places = 1;
    while (places < n && (n % places != 0 || !keeps_kinds(places))) ++places;
    return places;
  }

  // What was listed is done with the first members' chunks.
  static void fold(DataFlow& flow, const std::vector<ScheduleImage>& images, int members, bool own_blocks) {
    std::vector<Chunk> others;
    for (int i = members / static_cast<int>(images.size()); i < members; ++i) others.push_back({own_blocks ? i : 0, 1, 0});
    flow.fold(images, others);
  }

  static std::vector<Move> moves_of(const std::vector<ChunkId>& chunks, const std::vector<Rank>& members, CollectiveKind kind) {
    auto moves = gather_moves(chunks, members);
    if (kind == CollectiveKind::reduce_scatter) return reversed(std::move(moves));
    return kind == CollectiveKind::all_reduce ? there_and_back(moves) : moves;
  }

  // Of the chunks of the first members, or of all: then each member's moves stand together.
  static std::vector<Move> gather_moves(const std::vector<ChunkId>& chunks, const std::vector<Rank>& members) {
    const auto n = members.size();
    std::vector<Move> moves;
    int round = 0;
    for (std::size_t distance = 1; distance < n; distance *= 2, ++round) {
      const auto blocks = std::min(distance, n - distance);
      const auto add = [&](std::size_t chunk, std::size_t from) {
        moves.push_back({round, chunks[chunk], members[from % n], members[(from + n - distance) % n]});
      };
      if (chunks.size() == n) {
        for (std::size_t i = 0; i < n; ++i) {
          for (std::size_t b = 0; b < blocks; ++b) add((i + b) % n, i);
        }
        continue;
      }
      for (std::size_t b = 0; b < blocks; ++b) {
        for (std::size_t c = 0; c < chunks.size(); ++c) add(c, c + n - b);
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
