// SPDX-License-Identifier: Apache-2.0
#include "view/special_layouts.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace p2plab {

namespace {

constexpr double border = 40;

// Is every link one of a grid of `width` columns, or of its ends, and none of the grid's missing?
bool is_grid(const Topology& topology, int width) {
  const int all = topology.ranks();
  const int height = all / width;
  std::set<std::pair<int, int>> joined;
  for (const auto& link : topology.links()) {
    const auto a = static_cast<int>(link.from.index());
    const auto b = static_cast<int>(link.to.index());
    const bool same_row = a / width == b / width;
    const bool same_column = a % width == b % width;
    const int apart = same_row ? std::abs(a - b) : std::abs(a - b) / width;
    if (!same_row && !same_column) return false;
    if (apart != 1 && apart != (same_row ? width : height) - 1) return false;
    if (apart == 1) joined.insert(std::minmax(a, b));
  }
  return static_cast<int>(joined.size()) == (width - 1) * height + width * (height - 1);
}

// Parts that only networks join; -1: network switches.
struct Boxes {
  std::vector<int> of;
  int count = 0;
};

Boxes boxes_of(const Topology& topology) {
  const auto outside = [&](NodeId node) { return topology.node(node).kind == NodeKind::network_switch; };
  Boxes boxes{std::vector<int>(topology.nodes().size(), -1)};
  for (std::size_t seed = 0; seed < boxes.of.size(); ++seed) {
    const NodeId first{static_cast<std::int64_t>(seed)};
    if (boxes.of[seed] >= 0 || outside(first)) continue;
    std::vector<NodeId> open{first};
    boxes.of[seed] = boxes.count;
    while (!open.empty()) {
      const auto node = open.back();
      open.pop_back();
      for (const auto id : topology.out_links(node)) {
        const auto to = topology.link(id).to;
        if (topology.link(id).kind == LinkKind::network || outside(to) || boxes.of[to.index()] >= 0) continue;
        boxes.of[to.index()] = boxes.count;
        open.push_back(to);
      }
    }
    ++boxes.count;
  }
  return boxes;
}

// One box as a machine of its own, and which of the whole machine's nodes its nodes are.
struct Box {
  std::vector<std::size_t> nodes;
  Drawing drawing;
};

std::optional<Box> draw_box(const Topology& topology, const Boxes& boxes, int number) {
  Box box;
  std::vector<NodeId> here(topology.nodes().size(), NodeId{-1});
  Topology::Builder builder("box");
  for (std::size_t n = 0; n < here.size(); ++n) {
    if (boxes.of[n] != number) continue;
    here[n] = builder.add_node(topology.nodes()[n]);
    box.nodes.push_back(n);
  }
  for (const auto& link : topology.links()) {
    if (boxes.of[link.from.index()] != number || boxes.of[link.to.index()] != number || link.kind == LinkKind::network) continue;
    auto copy = link;
    copy.from = here[link.from.index()];
    copy.to = here[link.to.index()];
    builder.add_link(copy);
  }
  auto machine = std::move(builder).build();
  if (!machine) return std::nullopt;
  box.drawing = place_plainly(*machine, true);
  return box.drawing.circle ? std::nullopt : std::optional(std::move(box));
}

constexpr double screen = 1600;  // pixels
constexpr double between = 24;   // boxes, for the lines to the network
constexpr double bar_height = 30;

// Network switches side by side on top, spines above leaves.
double place_network(const Topology& topology, const Boxes& boxes, Drawing& drawing) {
  std::vector<std::vector<std::size_t>> levels(2);
  for (std::size_t n = 0; n < boxes.of.size(); ++n) {
    if (boxes.of[n] >= 0) continue;
    const auto& links = topology.out_links(NodeId{static_cast<std::int64_t>(n)});
    const bool leaf = std::ranges::any_of(links, [&](LinkId id) { return boxes.of[topology.link(id).to.index()] >= 0; });
    levels[leaf ? 1 : 0].push_back(n);
  }
  double y = border;
  for (std::size_t level = 0; level < levels.size(); ++level) {
    const auto each = (drawing.width - 2 * border) / static_cast<double>(std::max<std::size_t>(1, levels[level].size()));
    for (std::size_t i = 0; i < levels[level].size(); ++i) {
      const auto x = border + each * (static_cast<double>(i) + 0.5);
      drawing.nodes[levels[level][i]] = {.x = x,
                                         .y = y,
                                         .width = each * (levels[level].size() == 1 ? 1.0 : 0.9),
                                         .height = bar_height,
                                         .row = 5 - static_cast<int>(level),
                                         .place = static_cast<int>(i),
                                         .bar = true};
    }
    if (!levels[level].empty()) y += 80;
  }
  return y;
}

}  // namespace

std::optional<Drawing> place_on_grid(const Topology& topology, bool small) {
  const int all = topology.ranks();
  if (static_cast<std::size_t>(all) != topology.nodes().size() || all < 9) return std::nullopt;
  for (int width = 3; width * 3 <= all; ++width) {
    if (all % width != 0 || !is_grid(topology, width)) continue;
    const double diameter = small ? 34 : 48;
    const double spacing = small ? 78 : 110;
    const int rows = all / width;
    Drawing drawing{.nodes = {}, .width = 2 * border + spacing * width, .height = 2 * border + spacing * rows, .small = small, .grid = true};
    for (int gpu = 0; gpu < all; ++gpu) {
      const int row = gpu / width;
      const int column = gpu % width;
      drawing.nodes.push_back({.x = border + spacing * (column + 0.5),
                               .y = border + spacing * (row + 0.5),
                               .width = diameter,
                               .height = diameter,
                               .row = row,
                               .place = column});
    }
    return drawing;
  }
  return std::nullopt;
}

std::optional<Drawing> place_folded(const Topology& topology, const Drawing& unfolded) {
  const auto boxes = boxes_of(topology);
  if (boxes.count < 4 || unfolded.width <= screen || boxes.count * 4 > topology.ranks() * 2) return std::nullopt;
  std::vector<Box> drawn;
  double width = 0;
  double height = 0;
  for (int b = 0; b < boxes.count; ++b) {
    auto box = draw_box(topology, boxes, b);
    if (!box) return std::nullopt;
    width = std::max(width, box->drawing.width - border + between);
    height = std::max(height, box->drawing.height - border + between);
    drawn.push_back(*std::move(box));
  }
  // As near to a screen's shape as whole rows come.
  const auto columns = std::clamp(static_cast<int>(std::lround(std::sqrt(1.7 * boxes.count * height / width))), 1, boxes.count);
  Drawing drawing{.nodes = std::vector<Placed>(topology.nodes().size()), .width = 2 * border + width * columns, .small = true, .folded = true};
  const auto top = place_network(topology, boxes, drawing);
  for (int b = 0; b < boxes.count; ++b) {
    const int row = b / columns;
    const int column = b % columns;
    const double left = border + width * column;
    const double above = top + height * row;
    const auto& box = drawn[static_cast<std::size_t>(b)];
    for (std::size_t i = 0; i < box.nodes.size(); ++i) {
      auto& node = drawing.nodes[box.nodes[i]] = box.drawing.nodes[i];
      node.x += left - border / 2;
      node.y += above - border / 2;
      node.trunk_x = left + width - between / 2;
      node.trunk_y = above - 8;
    }
  }
  const int rows = (boxes.count + columns - 1) / columns;
  drawing.height = top + height * rows + border;
  return drawing;
}

}  // namespace p2plab
