// SPDX-License-Identifier: Apache-2.0
#include "view/special_layouts.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <optional>

namespace p2plab {

namespace {

constexpr double margin = 40;
constexpr double row_height = 110;
constexpr double gap = 8;  // least space between boxes of a row

bool is_switch(NodeKind kind) { return kind == NodeKind::nvswitch || kind == NodeKind::network_switch; }

class Placer {
 public:
  Placer(const Topology& topology, bool many)
      : topology_(topology), size_(topology.nodes().size()), gpus_(static_cast<std::size_t>(topology.ranks())) {
    drawing_.nodes.resize(size_);
    small_ = drawing_.small = many;
  }

  Drawing place() && {
    const auto others = size_ - gpus_;
    drawing_.circle = (others == 0 && gpus_ > 2) || (others == 1 && gpus_ > 16);
    drawing_.circle ? place_on_circle() : place_in_rows();
    return std::move(drawing_);
  }

 private:
  double diameter() const { return small_ ? 34 : 48; }
  double box_width(const Node& node) const {
    const auto letters = static_cast<double>(std::min<std::size_t>(node.name.size(), 18));
    return small_ ? std::max(34.0, 6.0 * letters + 8) : std::max(56.0, 7.2 * letters + 16);
  }
  double spacing() const { return small_ ? 42 : 74; }
  Placed& at(NodeId node) { return drawing_.nodes[node.index()]; }

  void place_on_circle() {
    const double radius = std::max(150.0, spacing() * static_cast<double>(gpus_) / (2 * std::numbers::pi));
    const double middle = margin + diameter() / 2 + radius;
    drawing_.width = drawing_.height = 2 * middle;
    std::size_t seen = 0;
    for (std::size_t i = 0; i < size_; ++i) {
      auto& node = drawing_.nodes[i];
      if (topology_.nodes()[i].kind != NodeKind::gpu) {
        node = {middle, middle, std::max(90.0, box_width(topology_.nodes()[i])), 44, 1, 0, false};
        continue;
      }
      // Half a step off the top, so that four and eight GPUs make a square with level sides.
      const double angle = (static_cast<double>(seen++) + 0.5) * 2 * std::numbers::pi / static_cast<double>(gpus_) - std::numbers::pi / 2;
      node = {middle + radius * std::cos(angle), middle + radius * std::sin(angle), diameter(), diameter(), 0, static_cast<int>(seen), false};
    }
  }

  void place_in_rows() {
    for (std::size_t i = 0; i < size_; ++i) drawing_.nodes[i].row = row_of(NodeId{static_cast<std::int64_t>(i)});
    number_network_rows();
    std::map<int, std::vector<NodeId>> rows;
    for (std::size_t i = 0; i < size_; ++i) rows[drawing_.nodes[i].row].emplace_back(static_cast<std::int64_t>(i));
    place_gpus(rows[0]);
    if (rows.contains(-1)) place_row(rows[-1]);
    for (auto& [row, nodes] : rows) {
      if (row > 0) place_row(nodes);
    }
    set_heights(rows);
    shift_into_view();
  }

  int row_of(NodeId id) const {
    switch (topology_.node(id).kind) {
      case NodeKind::gpu: return 0;
      case NodeKind::nvswitch: return -1;
      case NodeKind::pcie_switch: return 1;
      case NodeKind::host: return 2;
      case NodeKind::nic: return 3;
      case NodeKind::network_switch: return 4;
    }
    return 0;
  }

  // Network switches rise by their distance from what is not one: leaves, then spines.
  void number_network_rows() {
    std::vector<NodeId> front;
    std::vector<bool> seen(size_);
    for (std::size_t i = 0; i < size_; ++i) {
      seen[i] = topology_.nodes()[i].kind != NodeKind::network_switch;
      if (seen[i]) front.emplace_back(static_cast<std::int64_t>(i));
    }
    for (int row = 4; !front.empty(); ++row) {
      std::vector<NodeId> next;
      for (const auto node : front) {
        for (const auto id : topology_.out_links(node)) {
          const auto to = topology_.link(id).to;
          if (seen[to.index()]) continue;
          seen[to.index()] = true;
          at(to).row = row;
          next.push_back(to);
        }
      }
      front = std::move(next);
    }
  }

  // Parts of the machine that hang together without networks and socket links stand apart from each other.
  std::vector<int> boxes() const {
    std::vector<int> box(size_, -1);
    int boxes = 0;
    for (std::size_t seed = 0; seed < size_; ++seed) {
      if (box[seed] >= 0 || topology_.nodes()[seed].kind != NodeKind::gpu) continue;
      std::vector<NodeId> open{NodeId{static_cast<std::int64_t>(seed)}};
      box[seed] = boxes;
      while (!open.empty()) {
        const auto node = open.back();
        open.pop_back();
        for (const auto id : topology_.out_links(node)) {
          const auto& link = topology_.link(id);
          const bool apart = link.kind == LinkKind::network || link.kind == LinkKind::upi || topology_.node(link.to).kind == NodeKind::network_switch;
          if (apart || box[link.to.index()] >= 0) continue;
          box[link.to.index()] = boxes;
          open.push_back(link.to);
        }
      }
      ++boxes;
    }
    return box;
  }

  void place_gpus(std::vector<NodeId>& gpus) {
    const auto box = boxes();
    std::ranges::stable_sort(gpus, {}, [&](NodeId id) { return box[id.index()]; });
    double x = 0;
    for (std::size_t i = 0; i < gpus.size(); ++i) {
      const bool apart = i > 0 && box[gpus[i].index()] != box[gpus[i - 1].index()];
      if (i > 0) x += spacing() * (apart && static_cast<std::size_t>(box[gpus.back().index()]) + 1 < gpus.size() ? 1.5 : 1.0);
      auto& node = at(gpus[i]);
      node.x = x;
      node.width = node.height = diameter();
      node.place = static_cast<int>(i);
      placed_.push_back(gpus[i]);
    }
    middle_ = x / 2;
  }

  // The x of all placed neighbours: where a node would like to stand.
  std::vector<double> neighbour_places(NodeId id) {
    std::vector<double> places;
    for (const auto out : topology_.out_links(id)) {
      const auto to = topology_.link(out).to;
      if (at(to).row != at(id).row && std::ranges::find(placed_, to) != placed_.end()) places.push_back(at(to).x);
    }
    return places;
  }

  void place_row(std::vector<NodeId>& nodes) {
    for (const auto id : nodes) {
      const auto places = neighbour_places(id);
      auto& node = at(id);
      node.width = box_width(topology_.node(id));
      node.height = 30;
      node.x = middle_;
      if (places.empty()) continue;
      const auto [low, high] = std::ranges::minmax(places);
      double sum = 0;
      for (const auto place : places) sum += place;
      node.x = sum / static_cast<double>(places.size());
      if (!is_switch(topology_.node(id).kind) || places.size() < 3) continue;
      node.bar = true;
      node.x = (low + high) / 2;
      node.width = std::max(node.width, high - low + 40);
    }
    std::ranges::stable_sort(nodes, {}, [&](NodeId id) { return at(id).x; });
    if (!bars_fit(nodes)) {
      for (const auto id : nodes) {
        at(id).bar = false;
        at(id).width = box_width(topology_.node(id));
      }
    }
    spread(nodes);
    for (std::size_t i = 0; i < nodes.size(); ++i) at(nodes[i]).place = static_cast<int>(i);
    placed_.insert(placed_.end(), nodes.begin(), nodes.end());
  }

  bool bars_fit(const std::vector<NodeId>& nodes) {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (!at(nodes[i]).bar) return false;
      if (i > 0 && at(nodes[i - 1]).x + at(nodes[i - 1]).width / 2 > at(nodes[i]).x - at(nodes[i]).width / 2) return false;
    }
    return true;
  }

  // Moves nodes apart, each as little as possible from where it would like to stand: runs that touch move as one, to the mean of their problems.
  void spread(const std::vector<NodeId>& nodes) {
    struct Run {
      double problem = 0;  // of the first node's place, summed
      double count = 0;
      double mean() const { return problem / count; }
    };
    std::vector<Run> runs;
    std::vector<std::size_t> lengths;
    std::vector<double> offsets;
    double offset = 0;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (i > 0) offset += (at(nodes[i - 1]).width + at(nodes[i]).width) / 2 + gap;
      offsets.push_back(offset);
      runs.push_back({at(nodes[i]).x - offset, 1});
      lengths.push_back(1);
      while (runs.size() > 1 && runs[runs.size() - 2].mean() > runs.back().mean()) {
        auto& before = runs[runs.size() - 2];
        before = {before.problem + runs.back().problem, before.count + runs.back().count};
        lengths[lengths.size() - 2] += lengths.back();
        runs.pop_back();
        lengths.pop_back();
      }
    }
    std::size_t next = 0;
    for (std::size_t r = 0; r < runs.size(); ++r) {
      for (std::size_t i = 0; i < lengths[r]; ++i, ++next) at(nodes[next]).x = runs[r].mean() + offsets[next];
    }
  }

  void set_heights(const std::map<int, std::vector<NodeId>>& rows) {
    double y = 0;
    for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
      if (row->second.empty()) continue;
      for (const auto id : row->second) at(id).y = y;
      y += row_height;
    }
  }

  void shift_into_view() {
    double left = 0;
    double right = 0;
    for (const auto& node : drawing_.nodes) {
      left = std::min(left, node.x - node.width / 2);
      right = std::max(right, node.x + node.width / 2);
      drawing_.height = std::max(drawing_.height, node.y);
    }
    for (auto& node : drawing_.nodes) {
      node.x += margin - left;
      node.y += margin;
    }
    drawing_.width = right - left + 2 * margin;
    drawing_.height += 2 * margin;
  }

  const Topology& topology_;
  std::size_t size_;
  std::size_t gpus_;
  bool small_ = false;
  double middle_ = 0;
  std::vector<NodeId> placed_;
  Drawing drawing_;
};

}  // namespace

Drawing place_plainly(const Topology& topology, bool small) { return Placer(topology, small).place(); }

Drawing place_nodes(const Topology& topology) {
  constexpr int many = 24;  // GPUs
  if (auto grid = place_on_grid(topology, topology.ranks() > many)) return *std::move(grid);
  auto drawing = place_plainly(topology, topology.ranks() > many);
  if (auto folded = place_folded(topology, drawing)) return *std::move(folded);
  return drawing;
}

bool is_bent(const Drawing& drawing, const Placed& a, const Placed& b) {
  if (drawing.circle) return false;
  if (drawing.grid && a.place == b.place) return std::abs(a.row - b.row) > 1;
  return a.row == b.row && std::abs(a.place - b.place) != 1;
}

}  // namespace p2plab
