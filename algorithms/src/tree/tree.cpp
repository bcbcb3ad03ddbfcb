// SPDX-License-Identifier: Apache-2.0
// Tree: sums go up a spanning tree, results come down; slices follow each other, so a tree of any height keeps its links busy. all_reduce takes 2h
// rounds for height h (h about log2 n), broadcast and reduce h. A link to a parent carries the payload once each way; a member with c children
// takes in c+1 payloads. Two trees in which every member is an inner node at most once share that load evenly: 2 payloads per member
// (Sanders, Speck and Traeff, 2009; NCCL's double binary trees). gather and scatter use binomial trees: log2 n rounds, each block once per edge on
// its way; all_gather and reduce_scatter send each block over every edge once: rounds as many as the longest path. Trees are grown along the
// machine's widest routes, servers first, so partial meshes without any ring are served as well. Optimal for middle sizes and many ranks, where a
// ring's 2(n-1) rounds cost more than its saved bytes.
#include <array>

#include <fmt/format.h>

#include "common/data_flow.h"
#include "common/estimate.h"
#include "tree/search.h"
#include "tree/tree_chain.h"

namespace p2plab {

namespace {

struct Traits {
  bool up = false;
  bool down = false;
  bool blocks = false;    // each member's own block, not the whole payload
  bool everyone = false;  // a block goes to, or comes from, all members
};

std::optional<Traits> traits_of(CollectiveKind kind) {
  switch (kind) {
    case CollectiveKind::all_reduce: return Traits{true, true, false, false};
    case CollectiveKind::broadcast: return Traits{false, true, false, false};
    case CollectiveKind::reduce: return Traits{true, false, false, false};
    case CollectiveKind::gather: return Traits{true, false, true, false};
    case CollectiveKind::scatter: return Traits{false, true, true, false};
    case CollectiveKind::all_gather:
    case CollectiveKind::reduce_scatter: return Traits{true, true, true, true};
    default: return std::nullopt;
  }
}

class TreePlanner final : public Planner {
 public:
  // Over every edge of a tree, its narrowest one, too, goes all that the tree carries: at least half of the payload where there are two trees. Where
  // blocks go to all, those on the edge's two sides cross it in opposite directions.
  std::optional<Seconds> least_time(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    const auto traits = traits_of(collective.kind);
    const auto& members = collective.members;
    if (!traits || (traits->blocks && !traits->everyone) || members.size() < 2) return std::nullopt;
    if (!collective.silent.empty() || !collective.shares.empty()) return std::nullopt;
    const auto given = context.parameters.find("trees");
    const bool one = given != context.parameters.end() && given->second == "1" && !traits->blocks;
    const auto neck = widest_neck(topology.routes(), members);
    if (neck <= 0) return std::nullopt;
    return Seconds{static_cast<double>(context.payload.size().count()) / (one ? 1 : 2) / static_cast<double>(neck)};
  }

  std::optional<StepChain> chain(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    const auto traits = traits_of(collective.kind);
    if (!traits || (traits->blocks && !traits->everyone) || !each_has_data(collective, context.payload)) return std::nullopt;
    const auto parameters = complete_parameters("tree", known(), context.parameters);
    const auto options = parameters ? read(*parameters) : Result<TreeOptions>{parameters.error()};
    if (!options) return std::nullopt;
    const auto trees = trees_of(topology, collective, *traits, *options, context.payload.size());
    if (trees.empty()) return std::nullopt;
    // Of two halves of a payload the second one is never empty.
    return traits->blocks ? chain_across(trees.front(), topology, collective.members)
                          : chain_of_root(trees.back(), topology, collective.members, {traits->up, traits->down, {}});
  }

  bool is_short(const Collective& collective, const Parameters&) const override {
    const auto traits = traits_of(collective.kind);
    return traits && !traits->everyone;
  }

  Result<Plan> plan(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    auto parameters = complete_parameters("tree", known(), context.parameters);
    if (!parameters) return std::move(parameters).error();
    auto options = read(*parameters);
    if (!options) return std::move(options).error();
    auto flow = DataFlow::create(topology, collective);
    if (!flow) return std::move(flow).error();
    const auto traits = traits_of(collective.kind);
    if (!traits)
      return unsupported("tree", collective.kind, "a tree has one root, through which everything would pass", "use ring, bruck or pairwise");
    if (traits->blocks && options->trees == 2)
      return unsupported("tree", collective.kind, "two trees need a payload that can be halved", "use trees=1");
    const auto trees = trees_of(topology, collective, *traits, *options, context.payload.size());
    if (trees.empty()) return no_tree(collective, *traits);
    push_in_rounds(*flow, traits->blocks
                              ? (traits->everyone ? spread_moves(*flow, collective, trees[0]) : block_moves(*flow, collective, trees[0], *traits))
                              : payload_moves(*flow, collective, trees, *traits));
    auto reason = fmt::format("{} tree{} of height {} along the widest routes", trees.size(), trees.size() == 1 ? "" : "s", trees[0].height());
    auto plan = std::move(*flow).finish("tree", *std::move(parameters), std::move(reason), "use ring with fabric=any");
    if (plan) suggest_slices(*plan, topology, context.payload.size());
    return plan;
  }

  static std::vector<ParameterInfo> known() {
    return {{"arity", "the most children of a member over links of one width, 1 to 64; auto: whatever is fastest", "auto"},
            {"trees", "1; 2: two trees, each member an inner node of at most one; auto: whatever is fastest", "auto"}};
  }

 private:
  static Result<TreeOptions> read(const Parameters& parameters) {
    const auto number = [&](const std::string& name, std::int64_t most) {
      return parameters.at(name) == "auto" ? Result<std::int64_t>{0} : integer_parameter(parameters, name, 1, most);
    };
    auto arity = number("arity", 64);
    if (!arity) return std::move(arity).error();
    auto trees = number("trees", 2);
    if (!trees) return std::move(trees).error();
    if (*arity > 0 && *trees == 2) return Error{ErrorCode::invalid_input, "parameter trees=2 means two binary trees; it takes no arity"};
    return TreeOptions{.arity = static_cast<int>(*arity), .trees = static_cast<int>(*trees)};
  }

  static std::vector<Tree> trees_of(const Topology& topology, const Collective& collective, const Traits& traits, TreeOptions options, Bytes size) {
    options.root = rooted(collective.kind) ? position_of(collective, collective.root) : -1;
    options.size = size;
    return find_trees(topology, collective.members, {traits.up, traits.down, shares_of(collective, traits)}, options);
  }

  static std::vector<double> shares_of(const Collective& collective, const Traits& traits) {
    if (!traits.blocks) return {};
    std::vector<double> shares(collective.members.size(), 1.0 / static_cast<double>(collective.members.size()));
    double total = 0;
    for (const auto share : collective.shares) total += static_cast<double>(share);
    for (std::size_t i = 0; i < collective.shares.size(); ++i) shares[i] = static_cast<double>(collective.shares[i]) / total;
    return shares;
  }

  // The whole payload, a share of it over each tree.
  static std::vector<Move> payload_moves(DataFlow& flow, const Collective& collective, const std::vector<Tree>& trees, const Traits& traits) {
    std::vector<Move> moves;
    for (std::size_t t = 0; t < trees.size(); ++t) {
      const auto chunk = flow.add_chunk({0, 1, static_cast<std::int32_t>(t)});
      const auto depths = trees[t].depths();
      const int height = trees[t].height();
      for (const int i : trees[t].order) {
        const int parent = trees[t].parents[static_cast<std::size_t>(i)];
        if (parent < 0) continue;
        const auto here = collective.members[static_cast<std::size_t>(i)];
        const auto above = collective.members[static_cast<std::size_t>(parent)];
        const int depth = depths[static_cast<std::size_t>(i)];
        if (traits.up) moves.push_back({height - depth, chunk, here, above});
        if (traits.down) moves.push_back({height + depth, chunk, above, here});
      }
    }
    return moves;
  }

  // Each member's block along its path to or from the root.
  static std::vector<Move> block_moves(DataFlow& flow, const Collective& collective, const Tree& tree, const Traits& traits) {
    std::vector<Move> moves;
    const auto depths = tree.depths();
    const int height = tree.height();
    for (std::size_t b = 0; b < collective.members.size(); ++b) {
      const auto chunk = flow.add_chunk({static_cast<std::int32_t>(b), 1, 0});
      for (auto i = static_cast<int>(b); tree.parents[static_cast<std::size_t>(i)] >= 0; i = tree.parents[static_cast<std::size_t>(i)]) {
        const auto here = collective.members[static_cast<std::size_t>(i)];
        const auto above = collective.members[static_cast<std::size_t>(tree.parents[static_cast<std::size_t>(i)])];
        const int depth = depths[static_cast<std::size_t>(i)];
        moves.push_back(traits.up ? Move{height - depth, chunk, here, above} : Move{depth, chunk, above, here});
      }
    }
    return moves;
  }

  // Each member's block over every edge away from it, or, summed on the way, towards it.
  static std::vector<Move> spread_moves(DataFlow& flow, const Collective& collective, const Tree& tree) {
    const auto neighbours = tree.neighbours();
    const bool inwards = collective.kind == CollectiveKind::reduce_scatter;
    const int farthest = 2 * tree.height();
    std::vector<Move> moves;
    for (std::size_t b = 0; b < collective.members.size(); ++b) {
      const auto chunk = flow.add_chunk({static_cast<std::int32_t>(b), 1, 0});
      std::vector<int> distance(tree.parents.size(), -1);
      std::vector<int> queue{static_cast<int>(b)};
      distance[b] = 0;
      for (std::size_t i = 0; i < queue.size(); ++i) {
        const auto near = static_cast<std::size_t>(queue[i]);
        for (const int next : neighbours[near]) {
          const auto far = static_cast<std::size_t>(next);
          if (distance[far] >= 0) continue;
          distance[far] = distance[near] + 1;
          queue.push_back(next);
          const auto here = collective.members[near];
          const auto there = collective.members[far];
          moves.push_back(inwards ? Move{farthest - distance[far], chunk, there, here} : Move{distance[far], chunk, here, there});
        }
      }
    }
    return moves;
  }

  static Error no_tree(const Collective& collective, const Traits& traits) {
    const auto* ways = traits.up && traits.down ? "both ways" : (traits.up ? "to one root" : "from one root");
    Error error{ErrorCode::unsupported,
                fmt::format("no tree spans the {} ranks: some are not joined {} even through others", collective.members.size(), ways)};
    error.notes.emplace_back("`p2plab topo show` draws the links; take ranks that are joined, with --ranks");
    return error;
  }
};

}  // namespace

namespace planners {
Entry<Planner> tree() {
  return {"tree", "up a spanning tree and down again: few rounds, any connected machine", TreePlanner::known(),
          [] { return std::make_unique<TreePlanner>(); }};
}
}  // namespace planners

}  // namespace p2plab
