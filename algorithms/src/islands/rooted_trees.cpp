// SPDX-License-Identifier: Apache-2.0
#include "islands/rooted_trees.h"

#include <algorithm>

#include <fmt/format.h>

#include "islands/spread_trees.h"
#include "p2plab/machine/routes.h"

namespace p2plab {

namespace {

// What one rank does with a chunk: it reads what others hold, adds, and passes it on.
struct Passing {
  int round = 0;
  ChunkId chunk;
  Rank by;
  std::vector<Rank> from;
  std::vector<Rank> to;
};

class RootedTrees {
 public:
  RootedTrees(DataFlow& flow, const Hierarchy& hierarchy, const Collective& collective)
      : flow_(flow), hierarchy_(hierarchy), root_(collective.root), home_(hierarchy.island_of(0, root_)) {
    for (const auto island : hierarchy.islands(1).front()) {
      if (island != home_) others_.push_back(island);
    }
  }

  TreeTask task(const Topology& topology, Bytes size, bool adds) const {
    constexpr Seconds flag_and_step{1.5e-6};
    const auto [out, in] = hierarchy_.crossing(holder(home_, 0, 0), holder(others_.front(), 0, 0));
    const auto path = topology.routes().between(out, in);
    TreeTask task{others_.size(), hierarchy_.width(0), flag_and_step, topology.routes().bottleneck(path), size, adds};
    for (const auto link : path) task.hop += topology.link(link).latency;
    return task;
  }

  void list(const TreeCut& cut, bool down) {
    const SpreadTrees spread(others_.size(), cut.trees);
    const auto channels = cut.trees * cut.copies;
    for (std::size_t each = 0; each < channels; ++each) {
      const auto t = each % spread.size();
      for (std::size_t shard = 0; shard < hierarchy_.width(0); ++shard) {
        // The root and the member that passes its own shard on move two chunks between the same ranks: on channels of their own.
        const auto channel = each + (holder(home_, shard, t) == root_ ? channels : 0);
        const auto chunk = flow_.add_chunk({0, static_cast<std::uint32_t>(spread.weight(t)), static_cast<std::int32_t>(channel)});
        down ? hand_out(chunk, shard, spread, t) : collect(chunk, shard, spread, t);
      }
    }
    std::ranges::stable_sort(passings_, {}, &Passing::round);
    for (const auto& each : passings_) flow_.transfer(each.by, each.from, each.to, each.chunk);
  }

 private:
  Rank holder(std::size_t island, std::size_t shard, std::size_t tree) const {
    return hierarchy_.stands_for(1, island, {shard, tree % hierarchy_.islands(1).front().size()});
  }
  std::vector<Rank> members(std::size_t island) const {
    std::vector<Rank> ranks;
    for (const auto member : hierarchy_.islands(0)[island]) ranks.push_back(hierarchy_.stands_for(0, member, {}));
    return ranks;
  }
  std::vector<Rank> beside(std::size_t island, Rank one) const {
    auto ranks = members(island);
    std::erase_if(ranks, [&](Rank rank) { return rank == one || rank == root_; });
    return ranks;
  }
  // Who passes a shard on inside the root's island; the root, where it is alone.
  Rank helper(std::size_t shard, std::size_t tree) const {
    const auto first = holder(home_, shard, tree);
    if (first != root_) return first;
    const auto others = beside(home_, root_);
    return others.empty() ? root_ : others[tree % others.size()];
  }
  void pass(int round, ChunkId chunk, Rank from, std::vector<Rank> to) {
    if (!to.empty()) passings_.push_back({round, chunk, from, {from}, std::move(to)});
  }

  // Through others of both islands, where no way leads.
  void send(int round, ChunkId chunk, Rank from, Rank to) {
    const auto [out, in] = hierarchy_.crossing(from, to);
    if (out != from) pass(round, chunk, from, {out});
    pass(round, chunk, out, {in});
    if (in != to) pass(round, chunk, in, {to});
  }

  // Each receiver of another island has a step of its own, so that none waits for what is on its way to another.
  void hand_out(ChunkId chunk, std::size_t shard, const SpreadTrees& spread, std::size_t tree) {
    const auto passes = helper(shard, tree);
    if (passes != root_) pass(0, chunk, root_, {passes});
    const auto& order = spread.order(tree);
    const auto rounds = static_cast<int>(order.size()) + 1;
    for (std::size_t i = 0; i < order.size(); ++i) {
      const auto from = i == 0 ? holder(home_, shard, tree) : holder(others_[order[spread.above(tree, i)]], shard, tree);
      const auto to = holder(others_[order[i]], shard, tree);
      send(1 + static_cast<int>(i), chunk, from, to);
      pass(1 + rounds, chunk, to, beside(others_[order[i]], to));
    }
    pass(1 + rounds, chunk, passes, beside(home_, passes));
  }

  // A step reads what the others of the island hold, and adds what came from other islands, wherever in this island.
  void collect(ChunkId chunk, std::size_t shard, const SpreadTrees& spread, std::size_t tree) {
    const auto& order = spread.order(tree);
    for (std::size_t i = order.size(); i-- > 0;) {
      const auto from = holder(others_[order[i]], shard, tree);
      const auto to = i == 0 ? holder(home_, shard, tree) : holder(others_[order[spread.above(tree, i)]], shard, tree);
      const auto [out, in] = hierarchy_.crossing(from, to);
      passings_.push_back({static_cast<int>(order.size() - i), chunk, out, members(others_[order[i]]), {in}});
    }
    const auto last = static_cast<int>(order.size()) + 1;
    const auto passes = helper(shard, tree);
    if (passes == root_) return;
    auto from = members(home_);
    if (passes != holder(home_, shard, tree)) std::erase(from, root_);
    passings_.push_back({last, chunk, passes, std::move(from), {root_}});
  }

  DataFlow& flow_;
  const Hierarchy& hierarchy_;
  Rank root_;
  std::size_t home_;
  std::vector<std::size_t> others_;
  std::vector<Passing> passings_;
};

}  // namespace

Result<Plan> plan_rooted_trees(const Topology& topology, const Hierarchy& hierarchy, const Collective& collective, Bytes size) {
  auto flow = DataFlow::create(topology, collective);
  if (!flow) return std::move(flow).error();
  RootedTrees trees(*flow, hierarchy, collective);
  const bool down = collective.kind == CollectiveKind::broadcast;
  const auto cut = best_tree_cut(trees.task(topology, size, !down));
  trees.list(cut, down);
  auto reason = fmt::format("{} islands of up to {} ranks: {} inside, {} tree{} across for each shard, in one of which an island passes it on",
                            hierarchy.islands(0).size(), hierarchy.width(0), down ? "direct" : "read", cut.trees, cut.trees == 1 ? "" : "s");
  auto plan = std::move(*flow).finish("hierarchical", {}, std::move(reason), "use inside=ring or across=ring, or the planner tree");
  if (plan && size > Bytes{0}) plan->tuning.slice = cut.slice;
  return plan;
}

}  // namespace p2plab
