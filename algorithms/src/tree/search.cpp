// SPDX-License-Identifier: Apache-2.0
#include "tree/search.h"

#include <algorithm>
#include <limits>

#include "common/double_binary.h"
#include "common/estimate.h"
#include "common/resources.h"
#include "p2plab/machine/routes.h"
#include "tree/widest_ways.h"

namespace p2plab {

namespace {

// What a hop costs beside the links' latency: a flag and a look at it, about 1 us on today's GPUs. Only compares trees with each other.
constexpr double hop_overhead = 1e-6;
constexpr int most_roots = 16;          // tried where any root will do, of so many members:
constexpr int few_members = 2048;       // beyond, one root's trees take seconds
constexpr std::size_t most_near = 128;  // members whose ways to all others are looked at

class TreeFinder {
 public:
  TreeFinder(const Topology& topology, std::span<const Rank> members, const TreeTraffic& traffic, const TreeOptions& options)
      : topology_(topology),
        routes_(topology.routes()),
        members_(members.begin(), members.end()),
        traffic_(traffic),
        options_(options),
        resources_(topology),
        ways_(topology.routes(), members, {.down = traffic.down, .up = traffic.up}),
        n_(static_cast<int>(members.size())) {}

  std::vector<Tree> find() {
    const int roots = options_.root >= 0 || n_ > few_members ? 1 : std::min(n_, most_roots);
    for (int i = 0; i < roots; ++i) {
      const int root = options_.root >= 0 ? options_.root : i;
      if (options_.trees != 2) consider_grown(root);
      if (options_.trees != 2 && options_.arity == 0) consider({binomial(ways_.walk_from(root))});
      if (options_.trees != 1 && options_.arity == 0 && traffic_.shares.empty()) consider(double_binary(ways_.walk_from(root)));
    }
    return best_;
  }

 private:
  Rank rank(int i) const { return members_[static_cast<std::size_t>(i)]; }
  void consider_grown(int root) {
    const auto widest = ways_.grow(root, n_, std::numeric_limits<std::int64_t>::max());
    if (widest.order.empty()) return;
    auto least = std::numeric_limits<std::int64_t>::max();
    for (int i = 0; i < n_; ++i) {
      const int parent = widest.parents[static_cast<std::size_t>(i)];
      if (parent >= 0) least = std::min(least, ways_.width(parent, i));
    }
    for (const int arity : {2, 1, 3, 4, 8, n_}) {
      if (options_.arity > 0 && arity != 2) break;
      for (const auto cap : {std::numeric_limits<std::int64_t>::max(), least})
        consider({ways_.grow(root, options_.arity > 0 ? options_.arity : arity, cap)});
    }
  }

  // `place_parent(p)` is the place above place p > 0; `walk` says who stands in which place.
  template <class PlaceParent>
  Tree from_places(const std::vector<int>& walk, const PlaceParent& place_parent) const {
    Tree tree{std::vector<int>(walk.size(), -1), {}};
    for (int p = 1; p < n_; ++p)
      tree.parents[static_cast<std::size_t>(walk[static_cast<std::size_t>(p)])] = walk[static_cast<std::size_t>(place_parent(p))];
    std::vector<std::vector<int>> children(walk.size());
    for (const int b : walk) {
      if (const int above = tree.parents[static_cast<std::size_t>(b)]; above >= 0) children[static_cast<std::size_t>(above)].push_back(b);
    }
    tree.order = {walk[0]};
    for (std::size_t i = 0; i < tree.order.size(); ++i) {
      const auto& below = children[static_cast<std::size_t>(tree.order[i])];
      tree.order.insert(tree.order.end(), below.begin(), below.end());
    }
    return tree;
  }

  Tree binomial(const std::vector<int>& walk) const {
    return from_places(walk, [](int p) { return p & (p - 1); });
  }

  std::vector<Tree> double_binary(const std::vector<int>& walk) const {
    const auto binary = [&](int p) { return place_above(p, n_); };
    auto other = walk;
    for (int p = 1; p < n_; ++p) other[static_cast<std::size_t>(place_in_second(p, n_))] = walk[static_cast<std::size_t>(p)];
    return {from_places(walk, binary), from_places(other, binary)};
  }

  void consider(std::vector<Tree> trees) {
    const auto time = estimate(trees);
    if (time == std::numeric_limits<double>::infinity() || (!best_.empty() && time >= best_time_ * (1 - alike_estimates))) return;
    best_time_ = time;
    best_ = std::move(trees);
  }

  // Infinite, too, once it is clear that it is no better than the best.
  double estimate(const std::vector<Tree>& trees) const {
    constexpr double no_tree = std::numeric_limits<double>::infinity();
    const auto size = static_cast<double>((options_.size > Bytes{0} ? options_.size : usual_size).count());
    const double ways = traffic_.up && traffic_.down ? 2 : 1;
    std::vector<double> loads(resources_.capacities().size());
    double busiest = 0;
    double longest = 0;
    const auto add = [&](int from, int to, double amount) {
      for (const auto r : resources_.of(rank(from), rank(to))) busiest = std::max(busiest, (loads[r] += amount) / resources_.capacities()[r]);
    };
    for (const auto& tree : trees) {
      if (tree.order.empty()) return no_tree;
      const auto below = amounts_below(tree);
      std::vector<double> delay(static_cast<std::size_t>(n_));
      for (const int i : tree.order) {
        const int parent = tree.parents[static_cast<std::size_t>(i)];
        if (parent < 0) continue;
        if (ways_.width(parent, i) == 0) return no_tree;
        const double amount = below[static_cast<std::size_t>(i)] / static_cast<double>(trees.size());
        // Where every block goes to everyone, what is not from below comes down (the other way round if summed: the same on links alike both ways).
        const bool everyone = !traffic_.shares.empty() && traffic_.up && traffic_.down;
        if (traffic_.up) add(i, parent, amount);
        if (traffic_.down) add(parent, i, everyone ? 1 - amount : amount);
        delay[static_cast<std::size_t>(i)] = delay[static_cast<std::size_t>(parent)] + hop(parent, i);
        longest = std::max(longest, delay[static_cast<std::size_t>(i)]);
        if (!best_.empty() && busiest * size + longest * ways >= best_time_ * (1 - alike_estimates)) return no_tree;
      }
    }
    return busiest * size + longest * ways;
  }

  // How much of the payload passes over the edge above each member.
  std::vector<double> amounts_below(const Tree& tree) const {
    auto amounts = traffic_.shares;
    if (amounts.empty()) {
      amounts.assign(static_cast<std::size_t>(n_), 1.0);
      return amounts;
    }
    for (auto i = tree.order.rbegin(); i != tree.order.rend(); ++i) {
      const int parent = tree.parents[static_cast<std::size_t>(*i)];
      if (parent >= 0) amounts[static_cast<std::size_t>(parent)] += amounts[static_cast<std::size_t>(*i)];
    }
    return amounts;
  }

  double hop(int from, int to) const {
    double latency = hop_overhead;
    const auto path = traffic_.down ? routes_.between(rank(from), rank(to)) : routes_.between(rank(to), rank(from));
    for (const auto id : path) latency += topology_.link(id).latency.count();
    return latency;
  }

  const Topology& topology_;
  const Routes& routes_;
  std::vector<Rank> members_;
  const TreeTraffic& traffic_;
  const TreeOptions& options_;
  Resources resources_;
  WidestWays ways_;
  int n_;
  std::vector<Tree> best_;
  double best_time_ = 0;
};

}  // namespace

std::vector<int> Tree::depths() const {
  std::vector<int> depths(parents.size());
  for (const int i : order) {
    const int parent = parents[static_cast<std::size_t>(i)];
    if (parent >= 0) depths[static_cast<std::size_t>(i)] = depths[static_cast<std::size_t>(parent)] + 1;
  }
  return depths;
}

std::vector<std::vector<int>> Tree::neighbours() const {
  std::vector<std::vector<int>> all(parents.size());
  for (const int i : order) {
    const int parent = parents[static_cast<std::size_t>(i)];
    if (parent < 0) continue;
    all[static_cast<std::size_t>(i)].push_back(parent);
    all[static_cast<std::size_t>(parent)].push_back(i);
  }
  return all;
}

int Tree::height() const { return std::ranges::max(depths()); }

std::int64_t widest_neck(const Routes& routes, std::span<const Rank> members) {
  const auto& kinds = routes.kinds();
  const auto of_kind =
      kinds.each(std::int64_t{0}, [&](Rank from, Rank to) { return routes.bottleneck(routes.between(from, to)).bytes_per_second(); });
  const auto width = [&](Rank a, Rank b) { return std::max(of_kind[kinds.of(a, b)], of_kind[kinds.of(b, a)]); };
  // A tree has an edge from the first member on, and one out of those that are as near to it as any (its server).
  std::vector<std::int64_t> from_first;
  for (const auto rank : members.subspan(1)) from_first.push_back(width(members[0], rank));
  const auto nearest = std::ranges::max(from_first);
  std::vector<Rank> near{members[0]};
  std::vector<Rank> far;
  for (std::size_t m = 1; m < members.size(); ++m) (from_first[m - 1] == nearest ? near : far).push_back(members[m]);
  if (far.empty() || near.size() > most_near) return nearest;
  std::int64_t out = 0;
  for (const auto a : near) {
    for (const auto b : far) out = std::max(out, width(a, b));
  }
  return std::min(nearest, out);
}

std::vector<Tree> find_trees(const Topology& topology, std::span<const Rank> members, const TreeTraffic& traffic, const TreeOptions& options) {
  return TreeFinder{topology, members, traffic, options}.find();
}

}  // namespace p2plab
