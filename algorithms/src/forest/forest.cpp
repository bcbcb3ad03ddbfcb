// SPDX-License-Identifier: Apache-2.0
// Forest: as many spanning trees from every root as the worst cut allows, packed into the links so that none is used beyond its bandwidth: the
// greatest throughput that any all-gather or reduce-scatter can have on the machine (Zhao et al., ForestColl; Edmonds' branchings). Switches are
// split off first; every transfer names its physical path. all_gather, broadcast: data runs down the trees. reduce_scatter, reduce: up, adding.
// all_reduce: up and then down. Trees grow level by level, so they are as low as the greedy order finds.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include <fmt/format.h>

#include "common/usable_part.h"
#include "forest/repair/trees_of_plan.h"
#include "forest/schedule.h"
#include "forest/search.h"
#include "forest/server_parts.h"
#include "p2plab/bounds/bounds.h"
#include "p2plab/plan/builtin_planners.h"

namespace p2plab {

namespace {

// Packing many trees for many roots without symmetry takes minutes.
constexpr std::size_t many_members = 32;
// Many trees of one root among more take minutes: there are a few, and none over servers, where rails and islands are faster.
constexpr std::size_t many_of_one_root = 192;
constexpr std::int64_t few_trees = 8;
// Trees are long lists: they are folded from fewer members on than other plans.
constexpr std::size_t fewer_trees = 4;
// Up to so many the bound is found again to say how near it is.
constexpr std::size_t most_checked = 128;

class ForestPlanner final : public Planner {
 public:
  bool reads_payload(const Collective&, const Parameters&) const override { return false; }
  // Trees of machines that are no servers on a network, and those of one root, take long to pack, so it is said what no schedule can beat: others are
  // weighed before.
  std::optional<Seconds> least_time(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    if (has_servers(topology) && !rooted(collective.kind)) return std::nullopt;
    const auto best = bound(topology, collective);
    return best ? std::optional(lower_bound(*best, context.payload)) : std::nullopt;
  }
  Result<Plan> plan(const Topology& machine, const Collective& collective, const PlanContext& context) const override {
    const auto ending = context.ending();
    const auto topology = usable_part(machine, collective, ending);
    auto parameters = complete_parameters("forest", known(), context.parameters);
    if (!parameters) return std::move(parameters).error();
    auto trees = trees_wanted(*parameters);
    if (!trees) return std::move(trees).error();
    auto flow = DataFlow::create(topology, collective);
    if (!flow) return std::move(flow).error();
    const auto kind = collective.kind;
    const bool up = reduces(kind);
    const bool down = kind == CollectiveKind::all_gather || kind == CollectiveKind::broadcast || kind == CollectiveKind::all_reduce;
    const std::string instead = "use ring, pairwise or one_shot";
    if (!up && !down) return unsupported("forest", kind, "its data is different for every receiver, so trees do not help", instead);
    if (collective.members.size() == 1) {
      for (std::size_t b = 0; b < flow->blocks().size(); ++b) flow->add_chunk({static_cast<std::int32_t>(b), 1, 0});
      return std::move(*flow).finish("forest", *std::move(parameters), "one member: nothing to send", instead);
    }
    // A tree from each root at least, and sums go along each of its edges in a step of their own.
    if (auto fault = up && !rooted(kind) ? too_long_by_pairs("forest", collective, context) : std::nullopt) return *std::move(fault);
    const bool many = rooted(kind) && collective.members.size() > many_of_one_root && parameters->at("trees") == "auto";
    if (many && has_servers(topology)) {
      return unsupported("forest", kind,
                         fmt::format("to pack trees of one root takes minutes among more than {} members on servers", many_of_one_root),
                         "use hierarchical with across=tree, or set trees");
    }
    ForestRequest request{.members = collective.members,
                          .weights = weights_of(collective, *flow),
                          .direction = TreeDirection::towards_root,
                          .trees = many ? few_trees : *trees};
    const bool large = collective.members.size() > many_members && !rooted(kind);
    if (large && parameters->at("trees") == "auto") request.trees_if_irregular = 1;
    if (ending) request.stop = ending;
    std::optional<TreesOfPlan> previous;
    if (context.previous != nullptr) previous = trees_of_plan(topology, *context.previous);
    request.previous = previous ? &*previous : nullptr;
    request.fold = collective.members.size() >= context.fold_from / fewer_trees && are_alike(topology, collective);
    Result<Forest> in = Forest{};
    Result<Forest> out = Forest{};
    if (up) in = find_forest(topology, request);
    if (!in) return std::move(in).error();
    request.direction = TreeDirection::from_root;
    if (down) out = find_forest(topology, request);
    if (!out) return std::move(out).error();
    if (up && down) use_both_ways(topology, request, *in, *out);
    const auto images = common_images(topology, in->list, out->list);
    if (auto fault = too_long("forest", edge_count(in->list), context)) return *std::move(fault);
    if (!images) {
      expand(in->list);
      expand(out->list);
    }
    auto pieces = pieces_of(topology, *flow, *in, *out);
    if (auto fault = too_long("forest", steps_of(pieces) * (images ? images->size() : 1), context)) return *std::move(fault);
    const auto count = pieces.size() * (images ? images->size() : 1);
    list_pieces(topology, {in->list.paths, out->list.paths}, images ? &*images : nullptr, std::move(pieces), *flow);
    auto plan = std::move(*flow).finish("forest", *std::move(parameters), reason_for(topology, count, *in, *out), instead);
    if (plan && collective.members.size() <= most_checked) plan->reason = checked_reason(topology, collective, request, *plan);
    return plan;
  }

  static std::vector<ParameterInfo> known() {
    return {{"trees",
             "trees for each root: optimal, 1 to 1024 (at some loss of bandwidth), auto (optimal; 1 on machines of more than 32 members with little "
             "symmetry; 8 for one root among more than 192)",
             "auto"}};
  }

 private:
  // What is handed out goes from a parent to all its children in one step.
  static std::size_t steps_of(const std::vector<ForestPiece>& pieces) {
    std::map<const ForestTree*, std::size_t> parents;
    std::size_t steps = 0;
    for (const auto& piece : pieces) {
      if (piece.up != nullptr) steps += piece.up->edges.size();
      if (piece.down == nullptr) continue;
      auto& known = parents[piece.down];
      if (known == 0) {
        std::set<int> with_children;
        for (const auto& edge : piece.down->edges) with_children.insert(edge.from);
        known = with_children.size();
      }
      steps += known;
    }
    return steps;
  }

  // Whatever the machine does to its ranks, the contract stays the same.
  static bool are_alike(const Topology& topology, const Collective& collective) {
    const bool all = collective.members.size() == static_cast<std::size_t>(topology.ranks()) && collective.silent.empty() && !rooted(collective.kind);
    return all && std::ranges::all_of(collective.shares, [&](auto share) { return share == collective.shares.front(); });
  }

  static bool has_servers(const Topology& topology) {
    std::vector<int> server;
    const auto servers = servers_of(topology, server);
    return servers.size() > 1 && servers.front().size() > 1;
  }

  // 0: as many as the optimum needs.
  static Result<std::int64_t> trees_wanted(const Parameters& parameters) {
    const auto& text = parameters.at("trees");
    if (text == "optimal" || text == "auto") return 0;
    return integer_parameter(parameters, "trees", 1, 1024);
  }

  // All-reduce: in-trees and out-trees at the same time from unequal roots, where that is faster than one after the other.
  static void use_both_ways(const Topology& topology, const ForestRequest& request, Forest& in, Forest& out) {
    const auto members = static_cast<double>(request.members.size());
    if (request.trees > 0 || request.stop()) return;
    const auto apart = (in.seconds_per_weight + out.seconds_per_weight) / members;
    const auto best = bound(topology, {.kind = CollectiveKind::all_reduce, .members = request.members}, {}, request.stop);
    const auto least = best ? best->inverse_rate.value() * 1e-9 : 0;
    if (least <= 0 || least > apart * (1 - 1e-9)) return;
    auto both = find_forests_both_ways(topology, {request.members, 1e9 / best->inverse_rate.value(), request.stop, request.previous, request.fold});
    if (both && both->seconds_per_byte <= apart * (1 - 1e-9)) {
      in = std::move(both->in);
      out = std::move(both->out);
    } else {
      in.share = out.share = least / apart;
    }
  }

  // Where links share budgets, a host that kept what passes could do better; trees keep nothing there.
  static std::string reason_for(const Topology& topology, std::size_t pieces, const Forest& in, const Forest& out) {
    const auto share = std::min(in.share, out.share);
    const bool budgets = has_budgets(topology);
    const std::string all = budgets ? "carry what links and budgets allow without copies in host memory" : "fill the worst cut";
    const auto reach = share > 1 - 1e-6 ? all : fmt::format("reach {:.2f} % of what {} allow", 100 * share, budgets ? "links and budgets" : "cuts");
    return fmt::format("{} spanning trees at most {} high {}", pieces, std::max(in.height, out.height), reach);
  }

  // What the trees reach together is what their links carry: where that is behind the bound, the reason says by what.
  static std::string checked_reason(const Topology& topology, const Collective& collective, const ForestRequest& request, const Plan& plan) {
    const auto best = bound(topology, collective, {}, request.stop);
    const auto share = best ? share_of_bound(topology, plan.schedule, *best) : 1;
    if (share >= 1 - 1e-6) return plan.reason;
    const auto trees = plan.reason.substr(0, plan.reason.find(" high ") + 5);
    const auto* const why = request.trees > 0 ? "so many trees were asked for"
                            : request.stop()  ? "the time was up before more was found"
                            : collective.kind == CollectiveKind::all_reduce
                                ? "trees that add and trees that pass on are found apart, each for all links"
                                : "trees are found for whole parts of the links only";
    return fmt::format("{} reach {:.2f} % of the bound: {}", trees, std::floor(share * 1e4) / 100, why);
  }

  // Each member's share as a root.
  static std::vector<std::int64_t> weights_of(const Collective& collective, const DataFlow& flow) {
    const auto kind = collective.kind;
    std::vector<std::int64_t> weights;
    for (std::size_t i = 0; i < collective.members.size(); ++i) {
      if (rooted(kind)) {
        weights.push_back(collective.members[i] == collective.root ? 1 : 0);
      } else {
        weights.push_back(kind == CollectiveKind::all_reduce ? 1 : flow.blocks()[i].share);
      }
    }
    std::int64_t common = 0;
    for (const auto weight : weights) common = std::gcd(common, weight);
    for (auto& weight : weights) weight /= std::max<std::int64_t>(common, 1);
    return weights;
  }

  // Goes along the trees of a root that lead one way, beside those that lead the other way. Weights count in lots of (all in-trees) x (all
  // out-trees), so that both divide; no trees have no end.
  class OneWay {
   public:
    OneWay(const std::vector<const ForestTree*>& trees, const std::vector<const ForestTree*>& others) : trees_(trees) {
      if (trees.empty()) return;
      lot_ = std::lcm(copies_of(trees), others.empty() ? 1 : copies_of(others)) / copies_of(trees);
      left_ = trees.front()->count * lot_;
    }
    bool over() const { return at_ == trees_.size(); }
    const ForestTree* tree() const { return trees_.empty() ? nullptr : trees_[at_]; }
    std::int64_t left() const { return left_; }
    void take(std::int64_t weight) {
      if (trees_.empty()) return;
      left_ -= weight;
      if (left_ == 0 && ++at_ < trees_.size()) left_ = trees_[at_]->count * lot_;
    }

   private:
    const std::vector<const ForestTree*>& trees_;
    std::int64_t lot_ = 1;
    std::int64_t left_ = std::numeric_limits<std::int64_t>::max();
    std::size_t at_ = 0;
  };

  // Pairs the trees of each root; where their numbers differ, the larger is divided.
  static std::vector<ForestPiece> pieces_of(const Topology& topology, const DataFlow& flow, const Forest& in, const Forest& out) {
    std::map<int, std::pair<std::vector<const ForestTree*>, std::vector<const ForestTree*>>> by_root;
    for (const auto& tree : in.list.trees) by_root[tree.root].first.push_back(&tree);
    for (const auto& tree : out.list.trees) by_root[tree.root].second.push_back(&tree);
    std::vector<ForestPiece> pieces;
    const auto blocks = blocks_by_root(flow, topology.ranks());
    for (const auto& [root, both] : by_root) {
      const auto block = blocks[topology.rank_of(NodeId{root})->index()];
      OneWay up(both.first, both.second);
      OneWay down(both.second, both.first);
      while (!up.over() || !down.over()) {
        const auto weight = std::min(up.left(), down.left());
        pieces.push_back({block, weight, up.tree(), down.tree()});
        up.take(weight);
        down.take(weight);
      }
    }
    return pieces;
  }
};

}  // namespace

namespace planners {
Entry<Planner> forest() {
  return {"forest", "packed spanning trees: the greatest bandwidth that cuts allow", ForestPlanner::known(),
          [] { return std::make_unique<ForestPlanner>(); }};
}
}  // namespace planners

}  // namespace p2plab
