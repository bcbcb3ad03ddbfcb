// SPDX-License-Identifier: Apache-2.0
#include "forest/search.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "forest/cuts/link_only_topology.h"
#include "forest/cuts/shares.h"
#include "forest/lp/tree_packing_lp.h"
#include "forest/repair/repair.h"
#include "forest/servers.h"
#include "p2plab/bounds/bounds.h"
#include "p2plab/detail/rational.h"
#include "p2plab/detail/tree_shares.h"

namespace p2plab {

namespace {

// Above this, capacities in whole tree units leave 64 bits; then a fixed number of trees comes near enough.
constexpr std::int64_t most_trees = std::int64_t{1} << 24;
constexpr std::int64_t many_trees = 1024;
// Beyond, the linear program over all roots at once takes minutes.
constexpr int most_free_roots = 48;

// Capacities of `machine`, whose links have these names on `topology`.
ForestProblem problem_on(const Topology& topology, const Topology& machine, const std::vector<LinkId>& names, const ForestRequest& request,
                         const std::vector<Rank>& members) {
  ForestProblem problem;
  problem.machine = &topology;
  problem.vertices = static_cast<int>(machine.nodes().size());
  for (std::size_t l = 0; l < machine.links().size(); ++l) {
    const auto& link = machine.links()[l];
    const auto from = is_inwards(request.direction) ? link.to : link.from;
    const auto to = is_inwards(request.direction) ? link.from : link.to;
    problem.arcs.push_back({from.value, to.value, link.bandwidth.bytes_per_second(), {names[l]}});
  }
  problem.trees.assign(static_cast<std::size_t>(problem.vertices), 0);
  for (std::size_t i = 0; i < request.members.size(); ++i) problem.trees[machine.node_of(request.members[i]).index()] = request.weights[i];
  for (const auto rank : members) problem.terminals.push_back(machine.node_of(rank).value);
  return problem;
}

// The least capacity per bandwidth at which `trees` trees for each unit of weight fit, by bisection; `seconds` becomes what a byte of weight 1 takes.
ForestProblem with_few_trees(const ForestProblem& plain, double& seconds, std::int64_t trees) {
  const auto at = [&](double scale) {
    auto problem = plain;
    for (auto& arc : problem.arcs) arc.capacity = static_cast<std::int64_t>(std::floor(static_cast<double>(arc.capacity) * scale * (1 + 1e-12)));
    for (auto& count : problem.trees) count *= trees;
    return problem;
  };
  double low = seconds * static_cast<double>(trees);
  if (auto best = at(low); feasible(best)) return best;
  double high = 2 * low;
  while (!feasible(at(high))) high *= 2;
  for (int i = 0; i < 40; ++i) (feasible(at((low + high) / 2)) ? high : low) = (low + high) / 2;
  seconds = high / static_cast<double>(trees);
  return at(high);
}

struct Attempt {
  double seconds = 0;  // per byte of weight 1
  ForestProblem problem;
  std::vector<Rank> members;
  double share = 1;  // of what cuts allow
};

Collective collective_of(const ForestRequest& request, const std::vector<Rank>& members) {
  Collective collective{.kind = is_inwards(request.direction) ? CollectiveKind::reduce_scatter : CollectiveKind::all_gather, .members = members};
  for (const auto rank : members) {
    const auto place = static_cast<std::size_t>(std::ranges::find(request.members, rank) - request.members.begin());
    collective.shares.push_back(place < request.weights.size() ? request.weights[place] : 0);
  }
  return collective;
}

// `members` are the terminals; those that are not in the request only relay.
Result<Attempt> attempt(const Topology& topology, const ForestRequest& request, const std::vector<Rank>& members) {
  std::vector<bool> keep(topology.nodes().size());
  for (std::size_t n = 0; n < keep.size(); ++n) keep[n] = topology.nodes()[n].kind != NodeKind::gpu;
  for (const auto rank : members) keep[topology.node_of(rank).index()] = true;
  std::vector<LinkId> names;
  auto machine = LinkOnlyTopology{topology, request.direction}.make(keep, names);
  if (!machine) return std::move(machine).error();
  auto best = bound(*machine, collective_of(request, members));
  if (!best) return std::move(best).error();
  const auto plain = problem_on(topology, *machine, names, request, members);
  std::int64_t unit = 0;
  for (const auto& arc : plain.arcs) unit = std::gcd(unit, arc.capacity);
  const auto total = std::accumulate(request.weights.begin(), request.weights.end(), std::int64_t{0});
  // Seconds per byte of weight 1, times the unit: p / q. At p units of capacity per unit of bandwidth, q trees per weight fit exactly.
  const auto cost = reduced(static_cast<Int128>(best->inverse_rate.numerator) * total * unit,
                            static_cast<Int128>(best->inverse_rate.denominator) * static_cast<Int128>(members.size()) * 1'000'000'000);
  Attempt result{cost.value() / static_cast<double>(unit), plain, members, 1};
  const auto greatest = std::ranges::max(plain.arcs, {}, &ForestArc::capacity).capacity / unit;
  const bool exact = cost.denominator < most_trees && static_cast<Int128>(greatest) * cost.numerator < (Int128{1} << 40);
  if (request.trees > 0 || !exact) {
    result.share = result.seconds;
    result.problem = with_few_trees(plain, result.seconds, request.trees > 0 ? request.trees : many_trees);
    result.share /= result.seconds;
    return result;
  }
  for (auto& arc : result.problem.arcs) arc.capacity = arc.capacity / unit * cost.numerator;
  for (auto& count : result.problem.trees) count *= cost.denominator;
  return result;
}

TreeList along_data(TreeList list) {
  list.paths.reverse();
  return list;
}

Forest forest_of(const ForestProblem& problem, TreeDirection direction) {
  Forest forest{pack_trees(problem), 0, 0, 1};
  for (const auto& tree : forest.list.trees) forest.height = std::max(forest.height, height(tree));
  if (is_inwards(direction)) forest.list = along_data(std::move(forest.list));
  return forest;
}

std::vector<std::int64_t> weights_by_node(const Topology& topology, const ForestRequest& request) {
  std::vector<std::int64_t> weights(topology.nodes().size());
  for (std::size_t i = 0; i < request.members.size(); ++i) weights[topology.node_of(request.members[i]).index()] = request.weights[i];
  return weights;
}

// What the linear program leaves open where a bound was found by another one.
constexpr double solver_tolerance = 1e-8;

// Up to so many members trees are packed one by one where the linear program falls short; beyond, nearly all is better than one tree a root.
constexpr std::size_t most_packed = 32;
constexpr double worth_having = 0.98, worth_nothing = 0.01;  // the latter of what was stopped early
constexpr std::size_t most_irregular = 128;                  // one tree a root for so many takes seconds

bool reaches_target(const std::optional<PackedForest>& packed) { return packed && packed->share > 1 - 1e-9; }

// A search that starts from old trees that were repaired.
std::optional<PackedForest> pack_from(const Topology& topology, const PackingRequest& request, std::optional<PackedForest> repaired) {
  if (reaches_target(repaired)) return repaired;
  auto packed = pack_height_limited_trees(topology, request, repaired ? &*repaired : nullptr);
  return packed && (!repaired || packed->share > repaired->share) ? packed : repaired;
}

// Weighted trees of little height, if a linear program finds some that reach what cuts allow.
std::optional<Forest> height_limited_forest(const Topology& topology, const ForestRequest& request, const Attempt& best) {
  PackingRequest packing{.terminals = {}, .weights = {}, .direction = request.direction, .target = 1 / best.seconds, .stop = request.stop};
  packing.previous = request.previous;
  packing.fold = request.fold;
  const auto collective = collective_of(request, best.members);
  for (const auto rank : best.members) packing.terminals.push_back(topology.node_of(rank).value);
  packing.weights = collective.shares;
  if (LinkOnlyTopology{topology, request.direction}.shared()) {
    // The cuts of a plan that shares budgets out blindly say little: ask what the best sharing allows, where nothing is kept in host memory.
    if (best.members.size() != static_cast<std::size_t>(topology.ranks())) return std::nullopt;
    TreeDemand demand{.receivers = {}, .senders = {}, .weights = weights_by_node(topology, request), .hosts_copy = false};
    (is_inwards(request.direction) ? demand.senders : demand.receivers) = packing.terminals;
    const auto shares = best_tree_shares(topology, demand);
    if (!shares || shares->rate <= 0) return std::nullopt;
    packing.target = shares->rate * (1 - solver_tolerance);
  }
  auto repaired = request.previous != nullptr ? repair_trees(topology, packing) : std::nullopt;
  const auto members = best.members.size();
  // Many GPUs: servers and the network apart, if that is as good; of very many, if it is nearly so.
  if (!reaches_target(repaired) && members > most_packed) {
    auto composed = compose_servers(topology, request, best.seconds);
    if (composed && composed->share > (members > most_irregular ? worth_having : 1 - 1e-9)) return composed;
  }
  auto packed = pack_from(topology, packing, std::move(repaired));
  // Among so many nothing better follows: the best so far, its gap stated.
  const auto least = members <= most_packed ? 1 - 1e-9 : (members <= most_irregular ? worth_having : 0);
  if (!packed || packed->share < (request.stop() ? worth_nothing : least)) return std::nullopt;
  auto list = is_inwards(request.direction) ? along_data(std::move(packed->in)) : std::move(packed->out);
  return Forest{std::move(list), packed->height, 1 / (packing.target * packed->share), std::min(packed->share, 1.0)};
}

ForestsBothWays both_ways(PackedForest packed, double seconds) {
  return {{along_data(std::move(packed.in)), packed.height, 0, packed.share}, {std::move(packed.out), packed.height, 0, packed.share}, seconds};
}

std::optional<ForestsBothWays> exact_both_ways(const Topology& topology) {
  auto problems = all_reduce_problems(topology);
  if (!problems) return std::nullopt;
  auto in = without_switches(std::move(problems->in));
  auto out = without_switches(std::move(problems->out));
  if (!in || !out) return std::nullopt;
  return ForestsBothWays{forest_of(*in, TreeDirection::towards_root), forest_of(*out, TreeDirection::from_root), problems->seconds_per_byte};
}

// The members alone, or with all other GPUs as relays, whichever is faster.
Result<Attempt> best_attempt(const Topology& topology, const ForestRequest& request) {
  auto best = attempt(topology, request, request.members);
  if (static_cast<std::size_t>(topology.ranks()) > request.members.size()) {
    auto everyone = request.members;
    for (int r = 0; r < topology.ranks(); ++r) {
      if (std::ranges::find(request.members, Rank{r}) == request.members.end()) everyone.emplace_back(r);
    }
    auto relayed = attempt(topology, request, everyone);
    if (relayed && (!best || relayed->seconds < best->seconds)) best = std::move(relayed);
  }
  return best;
}

// Trees over the members alone, or over all GPUs.
Result<Forest> spanning_forest(const Topology& topology, const ForestRequest& request) {
  auto best = best_attempt(topology, request);
  if (!best) return std::move(best).error();
  if (request.trees == 0) {
    if (auto low = height_limited_forest(topology, request, *best)) return *std::move(low);
    if (request.members.size() > most_irregular) {
      return Error{ErrorCode::unsupported,
                   fmt::format("forest found no trees worth having for {} GPUs with so little symmetry", request.members.size()),
                   std::nullopt,
                   {"use hierarchical, ring or tree"}};
    }
    if (request.trees_if_irregular > 0) {
      auto few = request;
      few.trees = request.trees_if_irregular;
      return spanning_forest(topology, few);
    }
  }
  if (request.trees == 0 && LinkOnlyTopology{topology, request.direction}.shared()) {
    auto chosen = one_way_problem(topology, weights_by_node(topology, request), request.direction);
    if (chosen && chosen->seconds_per_weight < best->seconds * (1 - 1e-9)) {
      if (auto problem = without_switches(chosen->problem)) best = Attempt{chosen->seconds_per_weight, *std::move(problem), request.members, 1};
    }
  }
  const auto [seconds, share] = std::pair{best->seconds, best->share};
  auto direct = without_switches(std::move(best->problem));
  if (!direct)
    return Error{ErrorCode::unsupported, "forest found no way to share the switches' links among trees", std::nullopt, {"use ring or tree"}};
  auto forest = forest_of(*direct, request.direction);
  forest.seconds_per_weight = seconds;
  forest.share = share;
  return forest;
}

// Per byte of weight 1, what no schedule of the group beats.
std::optional<double> least_seconds(const Topology& topology, const ForestRequest& request) {
  const auto best = bound(topology, collective_of(request, request.members), {}, request.stop);
  const auto total = std::accumulate(request.weights.begin(), request.weights.end(), std::int64_t{0});
  if (!best || best->inverse_rate.numerator == 0 || total == 0) return std::nullopt;
  return best->inverse_rate.value() * 1e-9 * static_cast<double>(total) / static_cast<double>(request.members.size());
}

// Each tree through those of the other GPUs that suit it; none where nothing is found.
std::optional<Forest> relayed_forest(const Topology& topology, const ForestRequest& request, double least) {
  PackingRequest packing{.terminals = {}, .weights = {}, .direction = request.direction, .target = 1 / least, .stop = request.stop};
  for (int r = 0; r < topology.ranks(); ++r) {
    const auto place = std::ranges::find(request.members, Rank{r});
    packing.terminals.push_back(topology.node_of(Rank{r}).value);
    packing.needed.push_back(place != request.members.end());
    packing.weights.push_back(packing.needed.back() ? request.weights[static_cast<std::size_t>(place - request.members.begin())] : 0);
  }
  auto packed = pack_height_limited_trees(topology, packing);
  if (!packed) return std::nullopt;
  auto list = is_inwards(request.direction) ? along_data(std::move(packed->in)) : std::move(packed->out);
  return Forest{std::move(list), packed->height, least / packed->share, 1};
}

}  // namespace

Result<Forest> find_forest(const Topology& topology, const ForestRequest& request) {
  auto forest = spanning_forest(topology, request);
  if (request.members.size() == static_cast<std::size_t>(topology.ranks())) return forest;
  const auto least = least_seconds(topology, request);
  if (!least) return forest;
  if (request.trees == 0 && (!forest || forest->seconds_per_weight > *least * (1 + 1e-9))) {
    auto relayed = relayed_forest(topology, request, *least);
    if (relayed && (!forest || relayed->seconds_per_weight < forest->seconds_per_weight * (1 - 1e-9))) forest = *std::move(relayed);
  }
  if (forest) forest->share = std::min(1.0, *least / forest->seconds_per_weight);
  return forest;
}

std::optional<ForestsBothWays> find_forests_both_ways(const Topology& topology, const BothWaysRequest& request) {
  const auto target = request.best_rate * (1 - solver_tolerance);
  PackingRequest packing{.terminals = {},
                         .weights = {},
                         .direction = TreeDirection::from_root,
                         .target = target,
                         .stop = request.stop,
                         .previous = request.previous,
                         .fold = request.fold};
  const bool all = request.members.size() == static_cast<std::size_t>(topology.ranks());
  for (int r = 0; r < topology.ranks(); ++r) {
    packing.terminals.push_back(topology.node_of(Rank{r}).value);
    if (!all) packing.needed.push_back(std::ranges::find(request.members, Rank{r}) != request.members.end());
  }
  auto low = pack_from(topology, packing, all && request.previous != nullptr ? repair_trees(topology, packing) : std::nullopt);
  const auto reached = low ? 1 / (packing.target * low->share) : 0;
  if (low && low->share > 1 - 1e-9) return both_ways(*std::move(low), reached);
  if (all && topology.ranks() <= most_free_roots) {
    if (auto exact = exact_both_ways(topology); exact && (!low || exact->seconds_per_byte < reached)) return exact;
  }
  return low ? std::optional{both_ways(*std::move(low), reached)} : std::nullopt;
}

}  // namespace p2plab
