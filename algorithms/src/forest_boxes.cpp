// The trees between boxes need only links of the network, those inside a box only its own, so both can be the best there are, and where neither
// takes longer than the worst cut of the whole machine, they are the best together. Boxes (and rails, the GPUs at one place of all boxes) that look
// alike are planned once.
#include "forest_boxes.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

namespace p2plab {

namespace {

constexpr std::size_t least_boxes = 2;
constexpr std::size_t most_kinds = 8;  // of boxes or rails that differ

// A machine cut out of a larger one.
struct BoxPart {
  Topology topology;
  std::vector<int> nodes;  // in the larger one
  std::vector<LinkId> links;
  std::vector<std::int64_t> shape;  // equal for parts that are alike in this order
};

std::optional<BoxPart> cut_out(const Topology& whole, const std::vector<bool>& keep, const auto& keep_link) {
  Topology::Builder builder(whole.name());
  std::vector<int> place(whole.nodes().size(), -1);
  std::vector<int> nodes;
  std::vector<LinkId> links;
  std::vector<std::int64_t> shape;
  for (std::size_t n = 0; n < keep.size(); ++n) {
    if (!keep[n]) continue;
    place[n] = static_cast<int>(nodes.size());
    nodes.push_back(static_cast<int>(n));
    builder.add_node(whole.nodes()[n]);
    shape.push_back(static_cast<std::int64_t>(whole.nodes()[n].kind));
  }
  for (std::size_t l = 0; l < whole.links().size(); ++l) {
    auto link = whole.links()[l];
    if (!keep[link.from.index()] || !keep[link.to.index()] || !keep_link(link)) continue;
    link.from = NodeId{place[link.from.index()]};
    link.to = NodeId{place[link.to.index()]};
    builder.add_link(link);
    links.emplace_back(static_cast<std::int64_t>(l));
    shape.insert(shape.end(), {link.from.value, link.to.value, link.bandwidth.bytes_per_second()});
  }
  auto topology = std::move(builder).build();
  if (!topology) return std::nullopt;
  return BoxPart{*std::move(topology), std::move(nodes), std::move(links), std::move(shape)};
}

// Boxes: what links other than those of the network join. Only those with GPUs, each with its GPUs in order.
std::vector<std::vector<int>> boxes_of(const Topology& topology, std::vector<int>& box) {
  box.assign(topology.nodes().size(), -1);
  std::vector<std::vector<int>> gpus;
  for (int r = 0; r < topology.ranks(); ++r) {
    const auto start = topology.node_of(Rank{r});
    if (box[start.index()] < 0) {
      const auto id = static_cast<int>(gpus.size());
      gpus.emplace_back();
      std::vector<NodeId> open{start};
      box[start.index()] = id;
      const auto visit = [&](LinkId link, NodeId other) {
        if (topology.link(link).kind == LinkKind::network || box[other.index()] >= 0) return;
        box[other.index()] = id;
        open.push_back(other);
      };
      while (!open.empty()) {
        const auto at = open.back();
        open.pop_back();
        for (const auto link : topology.out_links(at)) visit(link, topology.link(link).to);
        for (const auto link : topology.in_links(at)) visit(link, topology.link(link).from);
      }
    }
    gpus[static_cast<std::size_t>(box[start.index()])].push_back(start.value);
  }
  return gpus;
}

// Leaves out what is no way from one GPU to another: nodes without GPUs behind them.
void drop_dead_ends(const Topology& topology, std::vector<bool>& keep) {
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t n = 0; n < keep.size(); ++n) {
      if (!keep[n] || topology.nodes()[n].kind == NodeKind::gpu) continue;
      int neighbour = -1;
      bool several = false;
      const auto visit = [&](NodeId other) {
        if (!keep[other.index()]) return;
        several = several || (neighbour >= 0 && neighbour != other.value);
        neighbour = other.value;
      };
      const NodeId id{static_cast<std::int64_t>(n)};
      for (const auto link : topology.out_links(id)) visit(topology.link(link).to);
      for (const auto link : topology.in_links(id)) visit(topology.link(link).from);
      if (several) continue;
      keep[n] = false;
      changed = true;
    }
  }
}

// A forest of a part, by the whole machine's nodes and paths.
struct PartForest {
  const Forest* forest = nullptr;
  std::vector<int> nodes;
  std::vector<int> paths;                             // by number in the part's table
  std::vector<std::vector<const ForestTree*>> trees;  // by place of the root among the part's GPUs
};

// Plans parts; those of one shape once.
class Parts {
 public:
  Parts(const ForestWish& wish, PathTable& paths) : wish_(wish), paths_(paths) {}

  bool add(std::optional<BoxPart> part, std::vector<PartForest>& forests) {
    if (!part) return false;
    const auto [known, added] = forests_.try_emplace(part->shape);
    if (added) {
      if (forests_.size() > most_kinds) return false;
      ForestWish wish{.members = {}, .weights = {}, .towards_root = wish_.towards_root, .stop = wish_.stop};
      for (int r = 0; r < part->topology.ranks(); ++r) wish.members.emplace_back(r);
      wish.weights.assign(wish.members.size(), 1);
      auto found = find_forest(part->topology, wish);
      if (!found) return false;
      known->second = *std::move(found);
    }
    PartForest forest{&known->second, part->nodes, {}, std::vector<std::vector<const ForestTree*>>(static_cast<std::size_t>(part->topology.ranks()))};
    std::vector<LinkId> links;
    for (std::size_t p = 0; p < forest.forest->list.paths.size(); ++p) {
      links.clear();
      for (const auto link : forest.forest->list.paths[static_cast<int>(p)]) links.push_back(part->links[link.index()]);
      forest.paths.push_back(paths_.add(links));
    }
    for (const auto& tree : forest.forest->list.trees) forest.trees[part->topology.rank_of(NodeId{tree.root})->index()].push_back(&tree);
    forests.push_back(std::move(forest));
    return true;
  }

 private:
  const ForestWish& wish_;
  PathTable& paths_;
  std::map<std::vector<std::int64_t>, Forest> forests_;
};

void append(ForestTree& tree, const ForestTree& part, const PartForest& forest) {
  for (const auto& edge : part.edges) {
    tree.edges.push_back({forest.nodes[static_cast<std::size_t>(edge.from)], forest.nodes[static_cast<std::size_t>(edge.to)],
                          forest.paths[static_cast<std::size_t>(edge.path)]});
  }
}

class Composer {
 public:
  Composer(const Topology& topology, const ForestWish& wish) : topology_(topology), wish_(wish), parts_(wish, list_.paths) {}

  std::optional<Forest> run(double seconds_per_weight) {
    gpus_ = boxes_of(topology_, box_);
    const auto size = gpus_.front().size();
    const bool alike = std::ranges::all_of(gpus_, [&](const auto& box) { return box.size() == size; });
    if (gpus_.size() < least_boxes || size < 2 || !alike) return std::nullopt;
    if (!plan_boxes() || !plan_rails()) return std::nullopt;
    for (std::size_t b = 0; b < gpus_.size(); ++b) {
      for (std::size_t place = 0; place < size; ++place) {
        if (!compose(b, place)) return std::nullopt;
      }
    }
    const auto taken = seconds();
    Forest forest{std::move(list_), 0, taken, std::min(1.0, seconds_per_weight / taken)};
    for (const auto& tree : forest.list.trees) forest.height = std::max(forest.height, height(tree));
    return forest;
  }

 private:
  bool plan_boxes() {
    for (std::size_t b = 0; b < gpus_.size(); ++b) {
      std::vector<bool> keep(box_.size());
      for (std::size_t n = 0; n < keep.size(); ++n) keep[n] = box_[n] == static_cast<int>(b);
      if (!parts_.add(cut_out(topology_, keep, [](const Link& link) { return link.kind != LinkKind::network; }), boxes_)) return false;
    }
    return true;
  }

  bool plan_rails() {
    for (std::size_t place = 0; place < gpus_.front().size(); ++place) {
      std::vector<bool> keep(box_.size());
      for (std::size_t n = 0; n < keep.size(); ++n) keep[n] = topology_.nodes()[n].kind != NodeKind::gpu;
      for (const auto& box : gpus_) keep[static_cast<std::size_t>(box[place])] = true;
      drop_dead_ends(topology_, keep);
      if (!parts_.add(cut_out(topology_, keep, [](const Link&) { return true; }), rails_)) return false;
    }
    return true;
  }

  // The trees of one root: every part of a tree between boxes goes on along a part of a tree inside, the same in all boxes alike.
  bool compose(std::size_t box, std::size_t place) {
    const auto& rail = rails_[place].trees[box];
    const auto rail_lots = copies_of(rail);
    auto lots = rail_lots;
    for (const auto& inside : boxes_) lots = std::lcm(lots, copies_of(inside.trees[place]));
    if (rail.empty() || lots == 0 || lots > most_composed_lots) return false;
    std::vector<std::int64_t> ends;  // of the parts, in lots
    const auto note_ends = [&](const std::vector<const ForestTree*>& trees) {
      std::int64_t end = 0;
      for (const auto* tree : trees) ends.push_back(end += tree->count * (lots / copies_of(trees)));
    };
    note_ends(rail);
    for (const auto& inside : boxes_) note_ends(inside.trees[place]);
    std::ranges::sort(ends);
    ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
    std::int64_t begin = 0;
    for (const auto end : ends) {
      ForestTree tree{gpus_[box][place], end - begin, {}};
      tree.edges.reserve(static_cast<std::size_t>(topology_.ranks()) - 1);
      append(tree, at(rail, lots, begin), rails_[place]);
      for (const auto& inside : boxes_) append(tree, at(inside.trees[place], lots, begin), inside);
      sort_by_level(tree);
      list_.trees.push_back(std::move(tree));
      begin = end;
    }
    return true;
  }

  // The tree that holds a lot.
  static const ForestTree& at(const std::vector<const ForestTree*>& trees, std::int64_t lots, std::int64_t lot) {
    const auto each = lots / copies_of(trees);
    for (const auto* tree : trees) {
      lot -= tree->count * each;
      if (lot < 0) return *tree;
    }
    return *trees.back();
  }

  // Per byte of each root, by the fullest link.
  double seconds() const {
    std::vector<std::int64_t> lots(topology_.nodes().size());
    for (const auto& tree : list_.trees) lots[static_cast<std::size_t>(tree.root)] += tree.count;
    std::vector<double> uses(list_.paths.size());
    for (const auto& tree : list_.trees) {
      const auto part = static_cast<double>(tree.count) / static_cast<double>(lots[static_cast<std::size_t>(tree.root)]);
      for (const auto& edge : tree.edges) uses[static_cast<std::size_t>(edge.path)] += part;
    }
    std::vector<double> loads(topology_.links().size());
    for (std::size_t p = 0; p < uses.size(); ++p) {
      for (const auto link : list_.paths[static_cast<int>(p)]) loads[link.index()] += uses[p];
    }
    double most = 0;
    for (std::size_t l = 0; l < loads.size(); ++l) {
      most = std::max(most, loads[l] / static_cast<double>(topology_.links()[l].bandwidth.bytes_per_second()));
    }
    return most;
  }

  static constexpr std::int64_t most_composed_lots = 1 << 25;

  const Topology& topology_;
  const ForestWish& wish_;
  std::vector<int> box_;  // by node; -1: of none
  std::vector<std::vector<int>> gpus_;
  TreeList list_;
  Parts parts_;
  std::vector<PartForest> boxes_;
  std::vector<PartForest> rails_;
};

}  // namespace

std::optional<Forest> compose_boxes(const Topology& topology, const ForestWish& wish, double seconds_per_weight) {
  const bool alike = std::ranges::all_of(wish.weights, [&](auto weight) { return weight == wish.weights.front(); });
  if (!alike || has_budgets(topology) || wish.members.size() != static_cast<std::size_t>(topology.ranks())) return std::nullopt;
  return Composer{topology, wish}.run(seconds_per_weight);
}

}  // namespace p2plab
