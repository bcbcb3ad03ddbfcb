// SPDX-License-Identifier: Apache-2.0
// The trees between servers need only links of the network, those inside a server only its own, so both can be the best there are, and where neither
// takes longer than the worst cut of the whole machine, they are the best together. Servers (and rails, the GPUs at one place of all servers) that
// look alike are planned once.
#include "forest/servers.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "forest/server_parts.h"

namespace p2plab {

namespace {

constexpr std::size_t least_servers = 2;
constexpr std::size_t most_kinds = 8;  // of servers or rails that differ

// A forest of a part, by the whole machine's nodes and paths.
struct PartForest {
  const Forest* forest = nullptr;
  std::vector<int> nodes;
  std::vector<LinkId> links;
  std::vector<int> paths;                             // by number in the part's table
  std::vector<std::vector<const ForestTree*>> trees;  // by place of the root among the part's GPUs
};

// Plans parts; those of one shape once.
class Parts {
 public:
  Parts(const ForestRequest& request, PathTable& paths) : request_(request), paths_(paths) {}

  bool add(std::optional<ServerPart> part, bool fold, std::vector<PartForest>& forests) {
    if (!part) return false;
    const auto [known, added] = forests_.try_emplace(part->shape);
    if (added) {
      if (forests_.size() > most_kinds) return false;
      ForestRequest request{.members = {}, .weights = {}, .direction = request_.direction, .stop = request_.stop};
      for (int r = 0; r < part->topology.ranks(); ++r) request.members.emplace_back(r);
      request.weights.assign(request.members.size(), 1);
      request.fold = fold;
      auto found = find_forest(part->topology, request);
      if (!found) return false;
      known->second = *std::move(found);
    }
    PartForest forest{
        &known->second, part->nodes, part->links, {}, std::vector<std::vector<const ForestTree*>>(static_cast<std::size_t>(part->topology.ranks()))};
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
  const ForestRequest& request_;
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
  Composer(const Topology& topology, const ForestRequest& request) : topology_(topology), request_(request), parts_(request, list_.paths) {}

  /// With `fold` none if it cannot be folded.
  std::optional<Forest> run(double seconds_per_weight, bool fold) {
    gpus_ = servers_of(topology_, server_);
    const auto size = gpus_.front().size();
    const bool alike = std::ranges::all_of(gpus_, [&](const auto& server) { return server.size() == size; });
    if (gpus_.size() < least_servers || size < 2 || !alike) return std::nullopt;
    if (!plan_servers() || !plan_rails(fold)) return std::nullopt;
    if (fold && !find_images()) return std::nullopt;
    for (std::size_t b = 0; b < gpus_.size(); ++b) {
      for (std::size_t place = 0; place < size; ++place) {
        if (!(fold && rails_[place].trees[b].empty()) && !compose(b, place)) return std::nullopt;
      }
    }
    const auto taken = seconds();
    Forest forest{std::move(list_), 0, taken, std::min(1.0, seconds_per_weight / taken)};
    for (const auto& tree : forest.list.trees) forest.height = std::max(forest.height, height(tree));
    return forest;
  }

 private:
  bool plan_servers() {
    for (std::size_t b = 0; b < gpus_.size(); ++b) {
      std::vector<bool> keep(server_.size());
      for (std::size_t n = 0; n < keep.size(); ++n) keep[n] = server_[n] == static_cast<int>(b);
      if (!parts_.add(cut_out(topology_, keep, [](const Link& link) { return link.kind != LinkKind::network; }), false, servers_)) return false;
    }
    return true;
  }

  bool plan_rails(bool fold) {
    for (std::size_t place = 0; place < gpus_.front().size(); ++place) {
      std::vector<bool> keep(server_.size());
      for (std::size_t n = 0; n < keep.size(); ++n) keep[n] = topology_.nodes()[n].kind != NodeKind::gpu;
      for (const auto& server : gpus_) keep[static_cast<std::size_t>(server[place])] = true;
      drop_dead_ends(topology_, keep);
      if (!parts_.add(cut_out(topology_, keep, [](const Link&) { return true; }), fold, rails_)) return false;
    }
    return true;
  }

  // An automorphism that permutes rails also permutes servers, if all are alike.
  bool find_images() {
    const auto& rail = rails_.front();
    const auto& automorphisms = rail.forest->list.images;
    const auto same = [](const std::vector<PartForest>& parts) {
      return std::ranges::all_of(parts, [&](const PartForest& part) { return part.forest == parts.front().forest; });
    };
    if (automorphisms == nullptr || !same(rails_) || !same(servers_)) return false;
    auto images = std::make_shared<TreeImages>();
    for (const auto& automorphism : *automorphisms) {
      Automorphism image{std::vector<std::int32_t>(topology_.nodes().size(), -1), std::vector<std::int32_t>(topology_.links().size(), -1), {}};
      bool fits = true;
      for (const auto& each : rails_) fits = fits && lay_over(each, {&automorphism, each}, image);
      for (std::size_t b = 0; b < servers_.size() && fits; ++b) {
        const auto to = server_[static_cast<std::size_t>(image.nodes[static_cast<std::size_t>(gpus_[b].front())])];
        fits = lay_over(servers_[b], {nullptr, servers_[static_cast<std::size_t>(to)]}, image);
      }
      if (!fits) return false;
      images->push_back(std::move(image));
    }
    list_.images = std::move(images);
    return true;
  }

  struct Onto {
    const Automorphism* automorphism;  // null: everything goes to its own place in the other part
    const PartForest& part;
  };
  // Enters where the nodes and links of a part go; false if one of them goes elsewhere already.
  static bool lay_over(const PartForest& part, const Onto& onto, Automorphism& image) {
    const auto enter = [](std::int32_t& known, std::int32_t to) {
      if (known < 0) known = to;
      return known == to;
    };
    for (std::size_t n = 0; n < part.nodes.size(); ++n) {
      const auto to = onto.automorphism == nullptr ? n : static_cast<std::size_t>(onto.automorphism->nodes[n]);
      if (!enter(image.nodes[static_cast<std::size_t>(part.nodes[n])], onto.part.nodes[to])) return false;
    }
    for (std::size_t l = 0; l < part.links.size(); ++l) {
      const auto to = onto.automorphism == nullptr ? l : static_cast<std::size_t>(onto.automorphism->links[l]);
      if (!enter(image.links[part.links[l].index()], onto.part.links[to].value)) return false;
    }
    return true;
  }

  // The trees of one root: every part of a tree between servers goes on along a part of a tree inside, the same in all servers alike.
  bool compose(std::size_t server, std::size_t place) {
    const auto& rail = rails_[place].trees[server];
    const auto rail_lots = copies_of(rail);
    auto lots = rail_lots;
    for (const auto& inside : servers_) lots = std::lcm(lots, copies_of(inside.trees[place]));
    if (rail.empty() || lots == 0 || lots > most_composed_lots) return false;
    std::vector<std::int64_t> ends;  // of the parts, in lots
    const auto note_ends = [&](const std::vector<const ForestTree*>& trees) {
      std::int64_t end = 0;
      for (const auto* tree : trees) ends.push_back(end += tree->count * (lots / copies_of(trees)));
    };
    note_ends(rail);
    for (const auto& inside : servers_) note_ends(inside.trees[place]);
    std::ranges::sort(ends);
    ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
    std::int64_t begin = 0;
    for (const auto end : ends) {
      ForestTree tree{gpus_[server][place], end - begin, {}};
      tree.edges.reserve(static_cast<std::size_t>(topology_.ranks()) - 1);
      append(tree, at(rail, lots, begin), rails_[place]);
      for (const auto& inside : servers_) append(tree, at(inside.trees[place], lots, begin), inside);
      sort_by_level(tree);
      list_.trees.push_back(std::move(tree));
      begin = end;
    }
    return true;
  }

  // The tree that holds a lot.
  static const ForestTree& at(const std::vector<const ForestTree*>& trees, std::int64_t lots, std::int64_t lot) {
    const auto each = lots / std::max<std::int64_t>(1, copies_of(trees));
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
      for (const auto link : list_.paths[static_cast<int>(p)]) {
        if (list_.images == nullptr) loads[link.index()] += uses[p];
        for (std::size_t i = 0; list_.images != nullptr && i < list_.images->size(); ++i)
          loads[static_cast<std::size_t>((*list_.images)[i].links[link.index()])] += uses[p];
      }
    }
    double most = 0;
    for (std::size_t l = 0; l < loads.size(); ++l) {
      most = std::max(most, loads[l] / static_cast<double>(topology_.links()[l].bandwidth.bytes_per_second()));
    }
    return most;
  }

  static constexpr std::int64_t most_composed_lots = 1 << 25;

  const Topology& topology_;
  const ForestRequest& request_;
  std::vector<int> server_;  // by node; -1: of none
  std::vector<std::vector<int>> gpus_;
  TreeList list_;
  Parts parts_;
  std::vector<PartForest> servers_;
  std::vector<PartForest> rails_;
};

}  // namespace

std::optional<Forest> compose_servers(const Topology& topology, const ForestRequest& request, double seconds_per_weight) {
  const bool alike = std::ranges::all_of(request.weights, [&](auto weight) { return weight == request.weights.front(); });
  if (!alike || has_budgets(topology) || request.members.size() != static_cast<std::size_t>(topology.ranks())) return std::nullopt;
  if (request.fold) {
    if (auto folded = Composer{topology, request}.run(seconds_per_weight, true)) return folded;
  }
  return Composer{topology, request}.run(seconds_per_weight, false);
}

}  // namespace p2plab
