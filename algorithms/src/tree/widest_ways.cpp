// SPDX-License-Identifier: Apache-2.0
#include "tree/widest_ways.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <queue>
#include <tuple>

#include "p2plab/machine/routes.h"

namespace p2plab {

WidestWays::WidestWays(const Routes& routes, std::span<const Rank> members, Directions directions) : widths_(members.size()) {
  const auto& kinds = routes.kinds();
  const auto of_kind =
      kinds.each(std::int64_t{0}, [&](Rank from, Rank to) { return routes.bottleneck(routes.between(from, to)).bytes_per_second(); });
  for (std::size_t a = 0; a < members.size(); ++a) {
    auto& mine = widths_[a];
    for (std::size_t b = 0; b < members.size(); ++b) {
      auto least = a == b ? 0 : std::numeric_limits<std::int64_t>::max();
      if (directions.down) least = std::min(least, of_kind[kinds.of(members[a], members[b])]);
      if (directions.up) least = std::min(least, of_kind[kinds.of(members[b], members[a])]);
      const auto child = static_cast<int>(b);
      if (mine.empty() || mine.back().width != least) mine.push_back({child, child, least});
      ++mine.back().end;
    }
  }
}

std::int64_t WidestWays::width(int parent, int child) const {
  return std::ranges::upper_bound(widths_[static_cast<std::size_t>(parent)], child, {}, &Children::end)->width;
}

// The ways on from one member, widest first; places only move forward.
struct WidestWays::Onward {
  const Stretches* sorted = nullptr;
  std::size_t stretch = 0;
  int next = 0;      // in that stretch
  int siblings = 0;  // children over links as wide as the next

  bool at_end() const { return stretch == sorted->size(); }
  const Children& here() const { return (*sorted)[stretch]; }
};

// Many trees are grown with the same few caps.
const std::vector<WidestWays::Stretches>& WidestWays::neighbours(std::int64_t cap) {
  auto& all = neighbours_[cap];
  if (!all.empty()) return all;
  for (auto mine : widths_) {
    std::erase_if(mine, [](const Children& stretch) { return stretch.width == 0; });
    for (auto& stretch : mine) stretch.width = std::min(cap, stretch.width);
    std::ranges::stable_sort(mine, std::greater{}, &Children::width);
    all.push_back(std::move(mine));
  }
  return all;
}

// Goes to the next way on of those at most `arity` of each width to members that are not in the tree; false if there is none.
bool WidestWays::move_on(Onward& from, int arity, const Tree& tree) {
  while (!from.at_end()) {
    const auto& here = from.here();
    from.next = std::max(from.next, here.begin);
    if (from.siblings < arity) {
      while (from.next < here.end && tree.parents[static_cast<std::size_t>(from.next)] != -2) ++from.next;
      if (from.next < here.end) return true;
    }
    ++from.stretch;
    from.next = 0;
    if (!from.at_end() && from.here().width != here.width) from.siblings = 0;
  }
  return false;
}

Tree WidestWays::grow(int root, int arity, std::int64_t cap) {
  const auto& near = neighbours(cap);
  Tree tree{std::vector<int>(widths_.size(), -2), {}};
  std::vector<int> depth(widths_.size());
  std::vector<Onward> ways(widths_.size());
  // Minus width, depth, children, parent, child: the least is best. A parent's only become worse, so each stands here once, as it was.
  using Choice = std::tuple<std::int64_t, int, int, int, int>;
  std::priority_queue<Choice, std::vector<Choice>, std::greater<>> choices;
  const auto choose = [&](int a) {
    auto& from = ways[static_cast<std::size_t>(a)];
    if (move_on(from, arity, tree)) choices.emplace(-from.here().width, depth[static_cast<std::size_t>(a)], from.siblings, a, from.next);
  };
  const auto take = [&](int b, int parent) {
    tree.parents[static_cast<std::size_t>(b)] = parent;
    tree.order.push_back(b);
    ways[static_cast<std::size_t>(b)].sorted = &near[static_cast<std::size_t>(b)];
  };
  take(root, -1);
  choose(root);
  while (tree.order.size() < widths_.size()) {
    if (choices.empty()) return {};
    const auto [wide, level, siblings, a, b] = choices.top();
    choices.pop();
    if (tree.parents[static_cast<std::size_t>(b)] == -2) {
      take(b, a);
      depth[static_cast<std::size_t>(b)] = level + 1;
      ++ways[static_cast<std::size_t>(a)].siblings;
      choose(b);
    }
    choose(a);
  }
  return tree;
}

std::vector<int> WidestWays::walk_from(int root) {
  const auto& near = neighbours(std::numeric_limits<std::int64_t>::max());
  std::vector<int> walk{root};
  std::vector<bool> seen(widths_.size());
  seen[static_cast<std::size_t>(root)] = true;
  const auto widest_from = [&](int a) {
    for (const auto& stretch : near[static_cast<std::size_t>(a)]) {
      for (auto b = stretch.begin; b < stretch.end; ++b) {
        if (!seen[static_cast<std::size_t>(b)]) return b;
      }
    }
    return static_cast<int>(std::ranges::find(seen, false) - seen.begin());
  };
  while (walk.size() < widths_.size()) {
    walk.push_back(widest_from(walk.back()));
    seen[static_cast<std::size_t>(walk.back())] = true;
  }
  return walk;
}

}  // namespace p2plab
