// SPDX-License-Identifier: Apache-2.0
// Hierarchical: where islands of well-joined ranks hang together by narrow links, the payload is reduced inside each island first, each member taking
// a shard; then each shard is reduced across the islands by the members that hold it, all shards at once on parallel rails; then handed out again
// inside. Over the way out of an island of g members, N in all, each member sends 2(N/g-1)/(N/g)/g payloads, against 2(N-1)/N of a ring's gateway:
// 3 times less for two pairs, 7 times for two quads. Levels nest (pairs in sockets in servers), one more reduction each way per level; 2 rounds per
// level with direct exchanges, n-1 each way with rings. Islands may differ in size: members of small ones take the shards of the largest in turn.
// Between the outermost islands two binary trees may carry half of each shard instead: as many bytes, about 2 log2 of the islands' rounds, and a plan
// whose length grows with the members, not with their square. So it is the one for thousands of GPUs, which is cut into many slices. Broadcast and
// reduce take as many trees as keep all ways short (islands/rooted_trees.h).
// Optimal where the way between islands is the bottleneck (NCCL's and Horovod's hierarchical all-reduce; BlueConnect, Cho et al., 2019).
#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "common/alike.h"
#include "common/data_flow.h"
#include "common/estimate.h"
#include "direct/exchange.h"
#include "islands/hierarchy.h"
#include "islands/island_moves.h"
#include "islands/rooted_blocks.h"
#include "islands/rooted_trees.h"
#include "islands/rotated_islands.h"
#include "islands/three_steps.h"

namespace p2plab {

namespace {

class Hierarchical final : public Planner {
 public:
  // Along trees slices follow each other.
  bool reads_payload(const Collective&, const Parameters& parameters) const override { return parameters.at("across") == "tree"; }
  // Of very many members' blocks each is so small that rings and direct exchanges gain little by cutting it.
  bool is_short(const Collective& collective, const Parameters& parameters) const override {
    using enum CollectiveKind;
    constexpr std::size_t very_many = 2048;
    constexpr std::size_t many = 1024;  // up to here the pairs of members and islands are no more than trees' steps
    const auto kind = collective.kind;
    if (parameters.at("inside") == "read") return collective.members.size() <= many;
    const bool small_blocks = collective.members.size() > very_many && (kind == all_gather || kind == reduce_scatter);
    const bool by_trees = parameters.at("across") == "tree" && (kind == all_reduce || rooted(kind) || small_blocks);
    return by_trees || kind == gather || kind == scatter;
  }

  // Each shard goes whole from who holds it in one island to who does in each other one.
  std::optional<Seconds> least_time(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    const auto across = context.parameters.find("across");
    if (across == context.parameters.end() || across->second != "one_shot" || collective.kind != CollectiveKind::all_reduce) return std::nullopt;
    Hierarchy hierarchy(collective, find_islands(topology));
    hierarchy.mind_ways_out(topology);
    if (hierarchy.levels() != 2 || !hierarchy.even()) return std::nullopt;
    auto holders = collective;
    holders.members = holders_of(hierarchy, 0);
    auto shard = context.payload;
    shard.elements /= static_cast<std::int64_t>(hierarchy.width(0));
    return time_of_direct_sends(topology, holders, shard, {.whole = true});
  }

  Result<Plan> plan(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    return least_estimated(topology, plans(topology, collective, context), context.payload.size());
  }

  Result<std::vector<Plan>> plans(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    auto parameters = complete_parameters("hierarchical", known(), context.parameters);
    if (!parameters) return std::move(parameters).error();
    auto variants = island_variants(*parameters);
    if (!variants) return std::move(variants).error();
    if (auto ok = check(collective, topology.ranks()); !ok) return std::move(ok).error();
    using enum CollectiveKind;
    Hierarchy hierarchy(collective, find_islands(topology));
    hierarchy.mind_ways_out(topology);
    if (hierarchy.levels() < 2)
      return unsupported("hierarchical", collective.kind, "the ranks form no islands on this machine",
                         "tree needs no islands; auto weighs all planners");
    const auto& first = variants->front();
    if (auto fault = not_in_three_steps(first, hierarchy.levels(), collective.kind)) return *std::move(fault);
    const bool of_root = collective.kind == gather || collective.kind == scatter;
    if (of_root || collective.kind == all_to_all || collective.kind == send_receive) {
      if (first.ring_inside || first.across != Across::direct)  // asked for: else direct comes first
        return unsupported("hierarchical", collective.kind, "its blocks are not cut or added up, so rings and trees would only delay them",
                           "leave inside and across as they are");
      return of_root ? alone(plan_rooted_blocks(topology, hierarchy, collective), *parameters)
                     : exchanged(hierarchy, topology, collective, context, *parameters);
    }
    if (rooted(collective.kind) && first.across == Across::tree && !first.ring_inside && hierarchy.levels() == 2)
      return alone(plan_rooted_trees(topology, hierarchy, collective, context.payload.size()), *parameters);
    // Each island, of every level, adds up each chunk; and there is a chunk for each member at least.
    const bool by_pairs = !rotated(first, hierarchy, collective, topology, context) && !first.in_three_steps() &&
                          (collective.kind == reduce_scatter || (collective.kind == all_reduce && first.across != Across::tree));
    if (auto long_plan = by_pairs ? too_long_by_pairs("hierarchical", collective, context) : std::nullopt) return *std::move(long_plan);
    std::vector<Plan> made;
    std::optional<Error> fault;
    for (const auto& variant : *variants) {
      auto plan = plan_with(variant, hierarchy, topology, collective, context);
      if (plan) {
        if (variant.across == Across::tree) cut_for_trees(*plan, topology, context, hierarchy.width(0));
        plan->parameters = *parameters;
        made.push_back(*std::move(plan));
      } else if (!fault) {
        fault = std::move(plan).error();
      }
    }
    if (made.empty()) return *std::move(fault);
    return made;
  }

  static std::vector<ParameterInfo> known() {
    return {{"inside",
             "how members of an island exchange: direct, ring, read (all_reduce and reduce_scatter over two levels, across=direct), or auto: direct "
             "or ring",
             "auto"},
            {"across",
             "how islands exchange: direct, ring, tree (two binary trees between the outermost; of broadcast and reduce as many as keep ways short), "
             "one_shot (all_reduce over two levels: shards whole), or auto: direct or ring",
             "auto"}};
  }

 private:
  // Each shard has a rail of its own.
  static void cut_for_trees(Plan& plan, const Topology& topology, const PlanContext& context, std::size_t shards) {
    constexpr std::int64_t least = 4096;
    suggest_slices(plan, topology, context.payload.size());
    if (plan.tuning.slice.count() == 0) return;
    const auto slice = std::max(least, plan.tuning.slice.count() / static_cast<std::int64_t>(shards));
    plan.tuning.slice = Bytes{(slice + 15) / 16 * 16};
  }

  static Result<std::vector<Plan>> exchanged(const Hierarchy& hierarchy, const Topology& topology, const Collective& collective,
                                             const PlanContext& context, const Parameters& parameters) {
    auto flow = DataFlow::create(topology, collective);
    if (!flow) return std::move(flow).error();
    list_exchanges(*flow, hierarchy, {topology.ranks(), fold_squares_from(context)});
    auto reason = fmt::format("{} islands of up to {} ranks, {} levels: inside to the rank that is placed like the receiver, then across",
                              hierarchy.islands(0).size(), hierarchy.width(0), hierarchy.levels());
    return alone(std::move(*flow).finish("hierarchical", {}, std::move(reason), "use pairwise, or flow, which relays where it must"), parameters);
  }

  static Result<std::vector<Plan>> alone(Result<Plan> plan, const Parameters& parameters) {
    if (!plan) return std::move(plan).error();
    plan->parameters = parameters;
    std::vector<Plan> plans;
    plans.push_back(*std::move(plan));
    return plans;
  }

  // Of 256 as context.fold_from: 192 where sums are handed out again, else 64. Folded programs can be cut finer, of few images too fine to be
  // searched.
  static std::size_t fold_islands_from(const PlanContext& context, CollectiveKind kind) {
    return context.fold_from * (kind == CollectiveKind::all_reduce ? 6 : 2) / 8;
  }

  // In large groups only what the first island is in charge of is listed; along trees, whose roots are in one island, and where whole shards are
  // exchanged, that of its first member.
  static std::optional<RotatedIslands> rotated(const IslandVariant& variant, const Hierarchy& hierarchy, const Collective& collective,
                                               const Topology& topology, const PlanContext& context) {
    using enum CollectiveKind;
    const bool alike = collective.kind == all_reduce || collective.kind == all_gather || collective.kind == reduce_scatter;
    if (!alike || collective.members.size() < fold_islands_from(context, collective.kind)) return std::nullopt;
    const bool by_members = collective.kind == all_reduce && (variant.across == Across::tree || variant.across == Across::one_shot);
    return RotatedIslands::create(hierarchy, collective, topology.ranks(), by_members ? 0 : hierarchy.levels() - 1);
  }

  static Result<Plan> plan_with(const IslandVariant& variant, const Hierarchy& hierarchy, const Topology& topology, const Collective& collective,
                                const PlanContext& context) {
    auto flow = DataFlow::create(topology, collective);
    if (!flow) return std::move(flow).error();
    IslandMoves moves(hierarchy, variant);
    const auto rotations = rotated(variant, hierarchy, collective, topology, context);
    const auto* const rotated_by = rotations ? &*rotations : nullptr;
    std::vector<Chunk> others;
    switch (collective.kind) {
      case CollectiveKind::all_reduce:
        others = variant.across == Across::one_shot ? exchange_shards(*flow, hierarchy, rotated_by != nullptr)
                                                    : all_reduce(*flow, moves, hierarchy, variant, rotated_by);
        break;
      case CollectiveKind::broadcast:
      case CollectiveKind::reduce: through_root(*flow, moves, hierarchy, collective, variant.across); break;
      default: others = own_blocks(*flow, moves, hierarchy, collective, variant.reads_inside, rotated_by); break;
    }
    push_in_rounds(*flow, std::move(moves).all());
    if (rotations) rotations->fold(*flow, others);
    auto reason = fmt::format("{} islands of up to {} ranks, {} levels: {} inside, {} across on parallel rails", hierarchy.islands(0).size(),
                              hierarchy.width(0), hierarchy.levels(),
                              variant.reads_inside  ? "read"
                              : variant.ring_inside ? "rings"
                                                    : "direct",
                              name_of(variant.across));
    return std::move(*flow).finish("hierarchical", {}, std::move(reason), "use inside=ring or across=ring, or the planner tree");
  }

  // One chunk for each choice of who is in charge at every level; between the outermost islands for each of two trees, where those lead across.
  // Returns the chunks that are others' rotated.
  static std::vector<Chunk> all_reduce(DataFlow& flow, IslandMoves& moves, const Hierarchy& hierarchy, const IslandVariant& variant,
                                       const RotatedIslands* rotations) {
    const auto across = variant.across;
    const auto outermost = static_cast<std::size_t>(hierarchy.levels() - 1);
    const auto reducers = hierarchy.reducers();
    std::vector<std::size_t> digits(outermost + 1);
    const auto choices = [&](std::size_t level) {
      if (level == outermost) return across == Across::tree ? std::size_t{2} : reducers.size();
      return hierarchy.width(static_cast<int>(level));
    };
    std::vector<Chunk> listed;
    std::vector<InCharge> read;
    for (bool more = true; more;) {
      auto in_charge = digits;
      const auto tree = across == Across::tree ? std::exchange(in_charge[outermost], 0) : 0;
      in_charge[outermost] = reducers[in_charge[outermost]];
      if (rotations == nullptr || in_charge[rotations->level()] == 0) {
        // What is read is handed out by as many lanes as there are islands.
        listed.push_back({0, 1, static_cast<std::int32_t>(variant.reads_inside ? in_charge[outermost] : tree)});
        const auto chunk = flow.add_chunk(listed.back());
        if (variant.reads_inside) {
          read.push_back({chunk, in_charge});
        } else {
          moves.take_tree(tree);
          moves.reduce(chunk, in_charge);
          moves.hand_out(chunk, in_charge);
        }
      }
      std::size_t level = 0;
      while (level <= outermost && ++digits[level] == choices(level)) digits[level++] = 0;
      more = level <= outermost;
    }
    list_reading(flow, hierarchy, read);
    std::vector<Chunk> others;
    for (std::size_t rotation = 1; rotations != nullptr && rotation < rotations->rotations(); ++rotation) {
      for (auto chunk : listed) {
        if (variant.reads_inside) chunk.channel = static_cast<std::int32_t>(rotation);
        others.push_back(chunk);
      }
    }
    return others;
  }

  static std::vector<Chunk> own_blocks(DataFlow& flow, IslandMoves& moves, const Hierarchy& hierarchy, const Collective& collective, bool reads,
                                       const RotatedIslands* rotations) {
    std::vector<Rank> listed;
    std::vector<InCharge> read;
    const bool up = collective.kind == CollectiveKind::reduce_scatter;
    for (std::size_t b = 0; b < collective.members.size(); ++b) {
      const auto& digits = hierarchy.digits_of(collective.members[b]);
      if (rotations != nullptr && digits[rotations->level()] > 0) continue;
      listed.push_back(collective.members[b]);
      for (const auto& way : hierarchy.ways_of(collective.members[b])) {
        // Blocks of all islands arrive at the same time, so none is handed out behind another's.
        const auto channel = !up && hierarchy.minds_ways_out() ? way[1] : 0;
        const auto chunk = flow.add_chunk({static_cast<std::int32_t>(b), 1, static_cast<std::int32_t>(channel)});
        const auto in_charge = hierarchy.stands_for(hierarchy.levels(), 0, way);
        const bool own = in_charge == collective.members[b];
        if (!up && !own) moves.first(chunk, collective.members[b], in_charge);
        if (reads) read.push_back({chunk, way});
        if (!reads) up ? moves.reduce(chunk, way) : moves.hand_out(chunk, way);
        if (up && !own) moves.last(chunk, in_charge, collective.members[b]);
      }
    }
    list_read_sums(flow, hierarchy, read);
    std::vector<Chunk> others;
    if (rotations == nullptr) return others;
    std::vector<std::int32_t> block_of(collective.members.size());  // all ranks are members
    for (std::size_t b = 0; b < block_of.size(); ++b) block_of[collective.members[b].index()] = static_cast<std::int32_t>(b);
    for (std::size_t rotation = 1; rotation < rotations->rotations(); ++rotation) {
      for (const auto member : listed) others.push_back({block_of[rotations->rotated(rotation, member).index()], 1, 0});
    }
    return others;
  }

  // The root shares the payload out over its island first, or collects it there last; in between every shard has its rail.
  static void through_root(DataFlow& flow, IslandMoves& moves, const Hierarchy& hierarchy, const Collective& collective, Across across) {
    const bool down = collective.kind == CollectiveKind::broadcast;
    auto digits = hierarchy.digits_of(collective.root);
    for (std::size_t tree = 0; tree < (across == Across::tree ? 2 : 1); ++tree) {
      moves.take_tree(tree);
      for (digits[0] = 0; digits[0] < hierarchy.width(0); ++digits[0]) {
        const auto chunk = flow.add_chunk({0, 1, static_cast<std::int32_t>(tree)});
        const auto in_charge = hierarchy.stands_for(hierarchy.levels(), 0, digits);
        if (down && in_charge != collective.root) moves.first(chunk, collective.root, in_charge);
        down ? moves.hand_out(chunk, digits) : moves.reduce(chunk, digits);
        if (!down && in_charge != collective.root) moves.last(chunk, in_charge, collective.root);
      }
    }
  }
};

}  // namespace

namespace planners {
Entry<Planner> hierarchical() {
  return {"hierarchical", "inside islands first, then across on parallel rails: least bytes over narrow links between islands", Hierarchical::known(),
          [] { return std::make_unique<Hierarchical>(); }};
}
}  // namespace planners

}  // namespace p2plab
