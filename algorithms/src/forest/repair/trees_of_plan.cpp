// SPDX-License-Identifier: Apache-2.0
#include "forest/repair/trees_of_plan.h"

#include <map>
#include <optional>
#include <string_view>
#include <tuple>
#include <unordered_map>

#include "p2plab/machine/routes.h"
#include "p2plab/schedule/dependencies.h"

namespace p2plab {

namespace {

// What things of the old machine are today.
class Successors {
 public:
  Successors(const Topology& before, const Topology& now) {
    std::unordered_map<std::string_view, int> by_name;
    for (std::size_t n = 0; n < now.nodes().size(); ++n) by_name.emplace(now.nodes()[n].name, static_cast<int>(n));
    for (const auto& node : before.nodes()) {
      const auto found = by_name.find(node.name);
      nodes_.push_back(found == by_name.end() || now.nodes()[static_cast<std::size_t>(found->second)].kind != node.kind ? -1 : found->second);
    }
    for (int r = 0; r < before.ranks(); ++r) ranks_.push_back(nodes_[before.node_of(Rank{r}).index()]);
    // Links of the same two nodes are told apart by their order.
    std::map<std::tuple<int, int, int>, int> by_ends;
    std::map<std::pair<int, int>, int> times;
    for (std::size_t l = 0; l < now.links().size(); ++l) {
      const auto& link = now.links()[l];
      by_ends.emplace(std::tuple{link.from.value, link.to.value, times[{link.from.value, link.to.value}]++}, static_cast<int>(l));
    }
    times.clear();
    for (const auto& link : before.links()) {
      const auto [from, to] = std::pair{nodes_[link.from.index()], nodes_[link.to.index()]};
      const auto found = by_ends.find({from, to, times[{from, to}]++});
      links_.push_back(from < 0 || to < 0 || found == by_ends.end() ? -1 : found->second);
    }
  }

  // A node, -1 if it is gone.
  int of(Rank rank) const { return ranks_[rank.index()]; }

  // False if one is gone.
  bool of(std::span<const LinkId> links, std::vector<LinkId>& today) const {
    today.clear();
    for (const auto link : links) {
      if (link.value < 0 || link.index() >= links_.size() || links_[link.index()] < 0) return false;
      today.emplace_back(links_[link.index()]);
    }
    return true;
  }

 private:
  std::vector<int> nodes_;
  std::vector<int> ranks_;
  std::vector<int> links_;
};

class Reader {
 public:
  Reader(const Topology& now, const PreviousPlan& previous)
      : now_(now),
        routes_(now.routes()),
        schedule_(previous.schedule),
        own_base_(schedule_.folding().folded() ? std::optional{schedule_.base()} : std::nullopt),
        base_(own_base_ ? *own_base_ : schedule_),
        successors_(previous.topology, now),
        index_(base_, false),
        values_(index_.size()) {
    const auto kind = schedule_.collective().kind;
    both_ = kind == CollectiveKind::all_reduce;
    up_ = reduces(kind);
    for (std::size_t c = 0; c < schedule_.chunks().size(); ++c) {
      const ChunkId chunk{static_cast<std::int64_t>(c)};
      const auto& block = schedule_.block_of(chunk);
      const auto count = static_cast<std::int64_t>(schedule_.chunks()[c].weight);
      const auto& ends = up_ ? block.receivers : block.contributors;
      const auto root = both_ || ends.size() != 1 ? -1 : successors_.of(ends.front());
      trees_.in.trees.push_back({root, count, {}});
      trees_.out.trees.push_back({root, count, {}});
    }
  }

  TreesOfPlan run() {
    for (image_ = 0; image_ < schedule_.folding().images(); ++image_) {
      begin();
      for (std::size_t i = 0; i < base_.step_count(); ++i) read(base_.base_step(StepId{static_cast<std::int64_t>(i)}));
    }
    trees_.in.paths.reverse();
    return std::move(trees_);
  }

 private:
  struct Value {
    std::int32_t chunk = -1;
    std::size_t contributors = 0;
  };

  // What an image holds, where the base has it, before its first step.
  void begin() {
    std::ranges::fill(values_, Value{});
    for (std::size_t c = 0; c < base_.chunks().size(); ++c) {
      const ChunkId chunk{static_cast<std::int64_t>(c)};
      for (const auto rank : base_.block_of(chunk).contributors) values_[index_(input(rank, chunk))] = {chunk.value, 1};
    }
  }

  // A step of the base stands for the image's.
  void read(const Step& step) {
    Value sum;
    for (const auto& source : step.sources) {
      const auto& value = values_[index_(source)];
      if (value.chunk < 0 || (sum.chunk >= 0 && value.chunk != sum.chunk)) return;
      sum = {value.chunk, sum.contributors + value.contributors};
    }
    const auto& block = base_.block_of(ChunkId{sum.chunk});
    const auto chunk = schedule_.in_image(image_, ChunkId{sum.chunk});
    const auto route = [&](std::size_t operand) { return step.routes.empty() ? default_route : step.routes[operand]; };
    for (std::size_t s = 0; s < step.sources.size(); ++s) {
      const auto& value = values_[index_(step.sources[s])];
      note({step.sources[s].rank, step.executor, route(s)}, chunk, value.contributors < block.contributors.size());
    }
    const bool partial = sum.contributors < block.contributors.size();
    auto& root = trees_.out.trees[chunk.index()].root;
    if (both_ && !partial && root < 0) {
      root = successors_.of(schedule_.in_image(image_, step.executor));
      trees_.in.trees[chunk.index()].root = root;
    }
    for (std::size_t d = 0; d < step.destinations.size(); ++d) {
      note({step.executor, step.destinations[d].rank, route(step.sources.size() + d)}, chunk, partial);
      values_[index_(step.destinations[d])] = sum;
    }
  }

  struct Transfer {
    Rank from;
    Rank to;
    RouteId route;
  };
  void note(const Transfer& transfer, ChunkId chunk, bool partial) {
    const auto from = successors_.of(schedule_.in_image(image_, transfer.from));
    const auto to = successors_.of(schedule_.in_image(image_, transfer.to));
    if (from < 0 || to < 0 || from == to) return;
    if (transfer.route == default_route) {
      const auto path = routes_.between(*now_.rank_of(NodeId{from}), *now_.rank_of(NodeId{to}));
      links_.assign(path.begin(), path.end());
    } else if (!successors_.of(schedule_.route(schedule_.in_image(image_, transfer.route)), links_)) {
      return;
    }
    if (links_.empty() || now_.link(links_.front()).from.value != from || now_.link(links_.back()).to.value != to) return;
    const bool rises = both_ ? partial : up_;
    auto& list = rises ? trees_.in : trees_.out;
    list.trees[chunk.index()].edges.push_back({rises ? to : from, rises ? from : to, list.paths.add(links_)});
  }

  const Topology& now_;
  const Routes& routes_;
  const Schedule& schedule_;
  const std::optional<Schedule> own_base_;  // where the plan is folded
  const Schedule& base_;
  int image_ = 0;
  Successors successors_;
  LocationIndex index_;
  std::vector<Value> values_;
  bool both_ = false;
  bool up_ = false;
  TreesOfPlan trees_;
  std::vector<LinkId> links_;
};

}  // namespace

TreesOfPlan trees_of_plan(const Topology& now, const PreviousPlan& previous) { return Reader{now, previous}.run(); }

}  // namespace p2plab
