// SPDX-License-Identifier: Apache-2.0
// Flow: all-to-all, gather, scatter and send/receive at the greatest rate that links allow. Where the widest route is not enough, a pair's block is
// divided among several paths, some through GPUs that relay: the maximum concurrent flow, made of paths (paths.h). Rounds: the hops of the
// longest path. On a switch every path is one hop, as in pairwise.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <span>

#include <fmt/format.h>

#include "common/alike.h"
#include "common/data_flow.h"
#include "common/networks.h"
#include "common/usable_part.h"
#include "flow/paths.h"
#include "flow/symmetric.h"
#include "p2plab/bounds/bounds.h"
#include "p2plab/machine/routes.h"
#include "p2plab/plan/builtin_planners.h"

namespace p2plab {

namespace {

class FlowSchedule {
 public:
  FlowSchedule(const Topology& topology, DataFlow& flow) : topology_(topology), routes_(topology.routes()), flow_(flow) {}

  /// Lists all hops, first hops first; returns how many the longest path has.
  std::size_t run(const std::vector<FlowPath>& paths) {
    std::map<std::pair<Rank, Rank>, std::vector<const FlowPath*>> by_pair;
    for (const auto& path : paths) by_pair[{rank(path.from), rank(path.hops.back().to)}].push_back(&path);
    std::vector<std::pair<const FlowPath*, ChunkId>> pieces;
    for (std::size_t b = 0; b < flow_.blocks().size(); ++b) {
      const auto index = static_cast<std::int32_t>(b);
      if (flow_.blocks()[b].share == 0 || flow_.blocks()[b].contributors.empty()) continue;  // a silent member's
      const std::pair pair{flow_.blocks()[b].contributors.front(), flow_.blocks()[b].receivers.front()};
      if (pair.first == pair.second) {
        flow_.add_chunk({index, 1, 0});
        continue;
      }
      std::int64_t common = 0;
      std::int64_t widest = 0;
      const auto& of_pair = by_pair[pair];
      for (const auto* path : of_pair) {
        common = std::gcd(common, path->count);
        widest = std::max(widest, path->count);
      }
      std::int32_t channel = 0;
      for (const auto* path : of_pair)
        pieces.emplace_back(
            path, flow_.add_chunk(
                      {index, chunk_weight(path->count / std::max<std::int64_t>(1, common), widest / std::max<std::int64_t>(1, common)), channel++}));
    }
    std::size_t longest = 0;
    for (const auto& [path, chunk] : pieces) longest = std::max(longest, path->hops.size());
    for (std::size_t round = 0; round < longest; ++round) {
      for (const auto& [path, chunk] : pieces) {
        if (round < path->hops.size()) send(*path, round, chunk);
      }
    }
    return longest;
  }

 private:
  Rank rank(int node) const { return *topology_.rank_of(NodeId{node}); }

  void send(const FlowPath& path, std::size_t round, ChunkId chunk) {
    const auto from = rank(round == 0 ? path.from : path.hops[round - 1].to);
    const auto to = rank(path.hops[round].to);
    const auto along = route(from, to, path.hops[round].links);
    flow_.push_along(from, {&to, 1}, {&along, 1}, chunk);
  }

  RouteId route(Rank from, Rank to, const std::vector<LinkId>& links) {
    if (std::ranges::equal(routes_.between(from, to), links)) return default_route;
    const auto [found, added] = known_.try_emplace(links, default_route);
    if (added) found->second = flow_.add_route(links);
    return found->second;
  }

  const Topology& topology_;
  const Routes& routes_;
  DataFlow& flow_;
  std::map<std::vector<LinkId>, RouteId> known_;
};

// Images of one path under several symmetries may be the same path.
std::vector<FlowPath> merged(std::vector<FlowPath> paths) {
  std::map<std::pair<int, std::vector<LinkId>>, std::size_t> known;
  std::vector<FlowPath> result;
  for (auto& path : paths) {
    std::vector<LinkId> links;
    for (const auto& hop : path.hops) links.insert(links.end(), hop.links.begin(), hop.links.end());
    const auto [found, added] = known.try_emplace({path.from, std::move(links)}, result.size());
    if (added) {
      result.push_back(std::move(path));
    } else {
      result[found->second].count += path.count;
    }
  }
  return result;
}

bool rooted_parts(CollectiveKind kind) { return kind == CollectiveKind::gather || kind == CollectiveKind::scatter; }

// What blocks ask for, by sender and receiver.
std::vector<FlowDemand> demands_of(std::span<const Block> blocks) {
  std::map<std::pair<Rank, Rank>, std::int64_t> weights;
  for (const auto& block : blocks) {
    if (block.share == 0 || block.contributors.empty() || block.contributors.front() == block.receivers.front()) continue;
    weights[{block.contributors.front(), block.receivers.front()}] += block.share;
  }
  std::vector<FlowDemand> demands;
  for (const auto& [pair, weight] : weights) demands.push_back({pair.first, pair.second, weight});
  return demands;
}

// Nodes with one mark may be mapped onto each other: members that give and get alike; of pairs, as much.
std::vector<std::int64_t> marks_of(const Topology& topology, const Collective& collective, std::span<const Block> blocks) {
  std::vector<std::int64_t> marks(topology.nodes().size());
  const auto mark = [&](Rank rank) -> std::int64_t& { return marks[topology.node_of(rank).index()]; };
  for (std::size_t i = 0; i < collective.members.size(); ++i) mark(collective.members[i]) = rooted_parts(collective.kind) ? blocks[i].share + 1 : 1;
  if (collective.kind == CollectiveKind::send_receive) {
    const auto many = std::ssize(blocks) + 1;
    for (const auto& demand : demands_of(blocks)) {
      mark(demand.from) += demand.weight;
      mark(demand.to) += many * demand.weight;
    }
  }
  if (rooted_parts(collective.kind)) mark(collective.root) = -1;
  for (const auto rank : collective.silent) mark(rank) = -2 - collective.root.value;
  return marks;
}

// All that a GPU sends to its one receiver may go over one link inside a server: by as many thread blocks as GPUs have room for. All chunks in as
// many slices, so that relays and pairs share links by their weights.
void suggest_blocks(Plan& plan, Bytes size) {
  constexpr std::size_t most_blocks = 64;
  constexpr std::int64_t least_slice = 32LL << 10;
  constexpr std::int64_t most_slices = 200'000;
  const auto& schedule = plan.schedule;
  std::vector<std::size_t> steps(static_cast<std::size_t>(schedule.ranks()));
  for (std::size_t i = 0; i < schedule.base_step_count(); ++i) ++steps[schedule.base_step(StepId{static_cast<std::int64_t>(i)}).executor.index()];
  const auto lanes = std::max<std::size_t>(1, std::ranges::max(steps));
  const auto blocks = static_cast<std::int64_t>(most_blocks / lanes);
  if (blocks < 2) return;
  const auto paths = std::max<std::int64_t>(1, std::ssize(schedule.chunks()) / std::max<std::int64_t>(1, std::ssize(schedule.blocks())));
  const auto fitting = std::min(size.count() / (std::max<std::int64_t>(paths, 8) * least_slice * blocks),
                                most_slices / (blocks * static_cast<std::int64_t>(std::max<std::size_t>(1, schedule.step_count()))));
  if (fitting < 1) return;
  plan.tuning.blocks_per_lane = static_cast<int>(blocks);
  plan.tuning.slices = static_cast<int>(blocks * std::min<std::int64_t>(fitting, 32));
}

bool covers(const FlowPaths& found, const Topology& topology, const std::vector<FlowDemand>& demands) {
  std::set<std::pair<int, int>> joined;
  for (const auto& path : found.paths) joined.emplace(path.from, path.hops.back().to);
  return std::ranges::all_of(demands, [&](const FlowDemand& demand) {
    if (found.images && topology.node_of(demand.from).value != found.paths.front().from) return true;  // as the one that is listed
    return joined.contains({topology.node_of(demand.from).value, topology.node_of(demand.to).value});
  });
}

struct PathCount {
  std::size_t number = 0;
  std::size_t longest = 0;  // hops
};

// Rounded down: 99.999 % are not all.
std::string reason_for(const PathCount& paths, const Topology& topology, const Schedule& schedule, const Bound& best) {
  constexpr double all = 1 - 1e-6;
  const auto share = share_of_bound(topology, schedule, best);
  auto text = fmt::format("{} paths of at most {} hops reach {:.2f} % of the bound", paths.number, paths.longest,
                          share >= all ? 100 : std::floor(share * 1e4) / 100);
  if (share >= all) return text;
  if (host_memory_joins_networks(topology))
    return text + "; from one network to another they go through GPUs, where copies in host memory, which no planner makes, could do more";
  return text + "; shares are whole numbers, and paths with less than 0.2 % of a pair's data are left out";
}

Error too_irregular(const Collective& collective, const std::string& instead) {
  return {ErrorCode::unsupported,
          fmt::format("flow does not plan for {} GPUs of a machine with so little symmetry", collective.members.size()),
          std::nullopt,
          {instead}};
}

class FlowPlanner final : public Planner {
 public:
  // Pairs are few, and each has as many thread blocks as there is room for.
  bool reads_payload(const Collective& collective, const Parameters&) const override { return collective.kind == CollectiveKind::send_receive; }
  Result<Plan> plan(const Topology& machine, const Collective& collective, const PlanContext& context) const override {
    const auto ending = context.ending();
    const auto topology = usable_part(machine, collective, ending);
    auto parameters = complete_parameters("flow", {}, context.parameters);
    if (!parameters) return std::move(parameters).error();
    auto flow = DataFlow::create(topology, collective);
    if (!flow) return std::move(flow).error();
    const std::string instead = "use pairwise, ring or tree";
    if (!rooted_parts(collective.kind) && collective.kind != CollectiveKind::all_to_all && collective.kind != CollectiveKind::send_receive) {
      return unsupported("flow", collective.kind, "it divides what each pair exchanges", instead);
    }
    if (std::ranges::any_of(flow->blocks(), [](const Block& block) { return block.share == 0 && !block.contributors.empty(); })) {
      return unsupported("flow", collective.kind, "a share of nothing has no path", instead);
    }
    const auto best = bound(topology, collective, {}, ending);
    if (!best) return best.error();
    if (best->inverse_rate.numerator == 0) {
      for (std::size_t b = 0; b < flow->blocks().size(); ++b) flow->add_chunk({static_cast<std::int32_t>(b), 1, 0});
      return std::move(*flow).finish("flow", *std::move(parameters), "nothing to send", instead);
    }
    std::function<bool()> stop = [] { return false; };
    if (ending) stop = ending;
    const auto blocks = flow->blocks();
    auto target = 1e9 / best->inverse_rate.value();
    if (rooted_parts(collective.kind)) {
      std::int64_t total = 0;
      for (const auto& block : blocks) total += block.share;
      target *= static_cast<double>(collective.members.size()) / static_cast<double>(total);
    }
    const auto demands = demands_of(blocks);
    const bool fold = collective.kind == CollectiveKind::all_to_all && collective.silent.empty() &&
                      collective.members.size() == static_cast<std::size_t>(topology.ranks()) &&
                      collective.members.size() >= fold_squares_from(context);
    const bool apart = collective.kind == CollectiveKind::send_receive;
    auto found = best_flow_paths(topology, {demands, marks_of(topology, collective, blocks), !apart, target, fold, stop});
    if (!found.paths.empty() && !covers(found, topology, demands)) {
      return Error{
          ErrorCode::unsupported, "the rates of this machine lie so far apart that the linear program loses the narrowest", std::nullopt, {instead}};
    }
    if (found.paths.empty()) return too_irregular(collective, instead);
    auto paths = merged(std::move(found.paths));
    auto number = paths.size();
    std::size_t longest = 0;
    if (const auto symmetric = found.images ? SymmetricPaths::create(topology, paths, found.images) : std::nullopt) {
      number *= found.images->size();
      longest = symmetric->list(collective, *flow);
    } else {
      if (found.images) paths = images_of(paths, *found.images);
      number = paths.size();
      longest = FlowSchedule{topology, *flow}.run(paths);
    }
    auto plan = std::move(*flow).finish("flow", *std::move(parameters), "", instead);
    if (!plan) return plan;
    plan->reason = reason_for({number, longest}, topology, plan->schedule, *best);
    if (apart) suggest_blocks(*plan, context.payload.size());
    return plan;
  }
};

}  // namespace

namespace planners {
Entry<Planner> flow() {
  return {"flow", "all-to-all, gather, scatter, pairs over several paths, relayed where links are narrow", {}, [] {
            return std::make_unique<FlowPlanner>();
          }};
}
}  // namespace planners

}  // namespace p2plab
