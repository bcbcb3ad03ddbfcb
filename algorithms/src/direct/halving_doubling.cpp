// SPDX-License-Identifier: Apache-2.0
// Recursive halving and doubling: in each round a member exchanges with the one whose number differs in one bit. Halving sends half of what is
// left, so reduce_scatter takes log2 n rounds and (n-1)/n payloads per rank; doubling the same for all_gather; all_reduce is both: 2 log2 n rounds,
// 2(n-1)/n payloads per rank (Rabenseifner, 2004). exchange=doubling exchanges whole payloads: log2 n rounds, log2 n payloads per rank, for the
// smallest messages. Optimal on switches and hypercubes where n is a power of two. Otherwise, with p the power of two below n, the n-p last
// members are folded in: they give their data to a partner first and take the result from it last (two more rounds, up to two more payloads for
// those pairs); bruck needs no folding.
#include <array>
#include <bit>

#include "common/data_flow.h"
#include "common/estimate.h"

namespace p2plab {

namespace {

// The members as a hypercube of p core members; member p + j is folded into core member j.
struct Cube {
  const std::vector<Rank>& members;
  int core = 1;
  int size() const { return static_cast<int>(members.size()); }
  int extras() const { return size() - core; }
  Rank at(int i) const { return members[static_cast<std::size_t>(i)]; }
};

// A chunk and the core member that is to own it.
struct OwnedChunk {
  ChunkId chunk;
  int owner = 0;
};

class HalvingDoubling final : public Planner {
 public:
  bool reads_payload(const Collective&, const Parameters&) const override { return false; }

  // A piece reaches the core member that differs from its owner in all bits by a step for each; sums come the same way. Whole payloads do so at once.
  std::optional<StepChain> chain(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    if (!each_has_data(collective, context.payload)) return std::nullopt;
    const auto exchange = context.parameters.find("exchange");
    const bool whole = exchange != context.parameters.end() && exchange->second == "doubling";
    const Cube cube{collective.members, static_cast<int>(std::bit_floor(collective.members.size()))};
    std::vector<std::vector<Rank>> ways(static_cast<std::size_t>(cube.core));
    for (int i = 0; i < cube.core; ++i) {
      for (int bits = 0; bits < cube.core; bits = 2 * bits + 1) ways[static_cast<std::size_t>(i)].push_back(cube.at(i ^ bits));
    }
    return least_chain(topology, whole ? CollectiveKind::all_gather : collective.kind, ways);
  }

  Result<Plan> plan(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    auto parameters = complete_parameters("halving_doubling", known(), context.parameters);
    if (!parameters) return std::move(parameters).error();
    static const std::array<std::string, 2> exchanges{"halving", "doubling"};
    auto exchange = word_parameter(*parameters, "exchange", exchanges);
    if (!exchange) return std::move(exchange).error();
    auto flow = DataFlow::create(topology, collective);
    if (!flow) return std::move(flow).error();
    const auto kind = collective.kind;
    if (kind != CollectiveKind::all_reduce && kind != CollectiveKind::reduce_scatter && kind != CollectiveKind::all_gather) {
      return unsupported("halving_doubling", kind, "it needs every member to give and take equally", "use tree, two_shot or pairwise");
    }
    if (*exchange == "doubling" && kind != CollectiveKind::all_reduce) {
      return unsupported("halving_doubling", kind, "exchange=doubling exchanges whole payloads, which only all_reduce can use",
                         "use exchange=halving");
    }
    if (auto fault =
            *exchange == "halving" ? too_long("halving_doubling", squared(std::bit_floor(collective.members.size())), context) : std::nullopt)
      return *std::move(fault);
    const Cube cube{collective.members, static_cast<int>(std::bit_floor(collective.members.size()))};
    if (*exchange == "doubling") exchange_whole(*flow, cube);
    if (*exchange == "halving") push_in_rounds(*flow, halve_and_double(*flow, cube, kind));
    return std::move(*flow).finish("halving_doubling", *std::move(parameters), "partners differ in one bit of their number: log2 n rounds each way",
                                   "use auto: tree, and ring where there is one, send between neighbours only");
  }

  static std::vector<ParameterInfo> known() {
    return {{"exchange", "halving: reduce-scatter and all-gather; doubling: whole payloads in half the rounds (all_reduce only)", "halving", "form"}};
  }

 private:
  // In each round each member of the cube sends half as many chunks as in the one before: one less than there are members, all in all.
  static std::size_t squared(std::size_t core) { return core * (core - 1); }

  static void exchange_whole(DataFlow& flow, const Cube& cube) {
    const auto chunk = flow.add_chunk({});
    for (int j = 0; j < cube.extras(); ++j) flow.push(cube.at(cube.core + j), cube.at(j), chunk);
    for (int bit = 1; bit < cube.core; bit *= 2) {
      for (int i = 0; i < cube.core; ++i) {
        if ((i & bit) == 0) flow.exchange(cube.at(i), cube.at(i | bit), chunk);
      }
    }
    for (int j = 0; j < cube.extras(); ++j) flow.push(cube.at(j), cube.at(cube.core + j), chunk);
  }

  static std::vector<Move> halve_and_double(DataFlow& flow, const Cube& cube, CollectiveKind kind) {
    const bool whole = kind == CollectiveKind::all_reduce;
    std::vector<OwnedChunk> pieces;
    for (int i = 0; i < (whole ? cube.core : cube.size()); ++i) pieces.push_back({flow.add_chunk({whole ? 0 : i, 1, 0}), i % cube.core});
    std::vector<Move> moves;
    int round = 0;
    if (kind != CollectiveKind::all_gather) {
      fold_in(moves, cube, pieces);
      halve(moves, cube, pieces, ++round);
    } else {
      for (int j = 0; j < cube.extras(); ++j)
        moves.push_back({0, pieces[static_cast<std::size_t>(cube.core) + static_cast<std::size_t>(j)].chunk, cube.at(cube.core + j), cube.at(j)});
    }
    round += std::countr_zero(static_cast<unsigned>(cube.core)) + 1;
    if (kind != CollectiveKind::reduce_scatter) {
      double_up(moves, cube, pieces, round);
      round += std::countr_zero(static_cast<unsigned>(cube.core));
    }
    fold_out(moves, cube, pieces, kind, round);
    return moves;
  }

  static void fold_in(std::vector<Move>& moves, const Cube& cube, const std::vector<OwnedChunk>& pieces) {
    for (int j = 0; j < cube.extras(); ++j) {
      for (const auto& piece : pieces) moves.push_back({0, piece.chunk, cube.at(cube.core + j), cube.at(j)});
    }
  }

  // Member i is still responsible for the pieces whose owner agrees with i in all bits above `bit`; it gives away those that differ in `bit`.
  static void halve(std::vector<Move>& moves, const Cube& cube, const std::vector<OwnedChunk>& pieces, int round) {
    for (int bit = cube.core / 2; bit > 0; bit /= 2, ++round) {
      for (int i = 0; i < cube.core; ++i) {
        for (const auto& piece : pieces) {
          if ((piece.owner ^ i) / bit == 1) moves.push_back({round, piece.chunk, cube.at(i), cube.at(i ^ bit)});
        }
      }
    }
  }

  static void double_up(std::vector<Move>& moves, const Cube& cube, const std::vector<OwnedChunk>& pieces, int round) {
    for (int bit = 1; bit < cube.core; bit *= 2, ++round) {
      for (int i = 0; i < cube.core; ++i) {
        for (const auto& piece : pieces) {
          if ((piece.owner ^ i) / bit == 0) moves.push_back({round, piece.chunk, cube.at(i), cube.at(i ^ bit)});
        }
      }
    }
  }

  static void fold_out(std::vector<Move>& moves, const Cube& cube, const std::vector<OwnedChunk>& pieces, CollectiveKind kind, int round) {
    for (int j = 0; j < cube.extras(); ++j) {
      for (std::size_t p = 0; p < pieces.size(); ++p) {
        if (kind == CollectiveKind::reduce_scatter && static_cast<int>(p) != cube.core + j) continue;
        moves.push_back({round, pieces[p].chunk, cube.at(j), cube.at(cube.core + j)});
      }
    }
  }
};

}  // namespace

namespace planners {
Entry<Planner> halving_doubling() {
  return {"halving_doubling", "partners differ in one bit of their number: log2 n rounds each way", HalvingDoubling::known(),
          [] { return std::make_unique<HalvingDoubling>(); }};
}
}  // namespace planners

}  // namespace p2plab
