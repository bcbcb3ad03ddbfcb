// SPDX-License-Identifier: Apache-2.0
// Columns: trees or pairs of them; column 0 the common rate. Rows: each demand's trees carry its weight times the rate; limits of the machine. Prices
// of the rows say which trees help (Dantzig and Wolfe); they also bound the rate from above, whether or not trees still help. Every tree stands for
// all its images under a group of automorphisms in equal parts, so limits and roots that are mapped onto each other share one row.
#include "bounds/trees/tree_packing.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "bounds/shared_links.h"
#include "bounds/trees/tree_finder.h"
#include "p2plab/detail/linear_program.h"
#include "p2plab/detail/symmetry.h"

namespace p2plab::bounds {

namespace {

constexpr double packing_tolerance = 1e-9;
constexpr int most_rounds = 2000;
constexpr std::size_t most_pairs = std::size_t{1} << 24;  // of nodes, in one finder's tables

std::vector<int> branching_nodes(const Topology& topology, const TreeDemand& demand, bool in_trees) {
  auto nodes = in_trees ? demand.reduce : demand.multicast;
  for (int v = 0; !in_trees && demand.hosts_copy && v < static_cast<int>(topology.nodes().size()); ++v) {
    if (topology.node(NodeId{v}).kind == NodeKind::host && std::ranges::find(nodes, v) == nodes.end()) nodes.push_back(v);
  }
  return nodes;
}

class TreeMaster {
 public:
  TreeMaster(const Topology& topology, const TreeDemand& demand)
      : topology_(topology),
        stop_(demand.stop),
        limits_(topology.limits()),
        widest_(widest_link(topology)),
        program_(std::vector<double>{1.0}, unbounded_) {
    if (!demand.receivers.empty()) finders_.emplace_back(topology, demand.receivers, branching_nodes(topology, demand, false), false);
    if (!demand.senders.empty()) finders_.emplace_back(topology, demand.senders, branching_nodes(topology, demand, true), true);
    find_orbits(demand);
    list_demands(demand);
    program_.stop_when(stop_);
    for (const auto& [weight, roots] : demands_)
      program_.add_row(0, std::vector<LinearProgram::Term>{{0, -static_cast<double>(weight)}}, LinearProgram::unbounded);
    limits_by_link_.resize(topology.links().size());
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      for (const auto link : limits_[i].links) limits_by_link_[link.index()].push_back(i);
    }
    for (const auto capacity : capacities_) program_.add_row(0, {}, capacity);
  }

  // Comparisons of one round.
  double effort() const {
    double roots = 0;
    for (const auto& demand : demands_) roots += static_cast<double>(demand.roots.size());
    double sum = 0;
    for (const auto& finder : finders_) sum += roots * finder.effort();
    return sum;
  }

  std::optional<TreePacking> solve(double known, double work) {
    const bool prices_prove = std::ranges::all_of(finders_, &TreeFinder::exact);
    upper_ = known / widest_;
    std::vector<double> prices;
    for (const auto capacity : capacities_) prices.push_back(1 / capacity);
    for (int round = 0; round < most_rounds && round * effort() <= work && !(stop_ && stop_()); ++round) {
      const auto columns = columns_;
      const auto needed = add_trees(prices, round > 0);
      double spent = 0;
      for (std::size_t i = 0; i < prices.size(); ++i) spent += prices[i] * capacities_[i];
      if (prices_prove && needed > 0 && spent < upper_ * needed) {
        upper_ = spent / needed;
        best_prices_ = prices;
      }
      if (round > 0 && (columns == columns_ || program_.objective() >= upper_ * (1 - packing_tolerance))) break;
      if (!program_.solve()) return std::nullopt;
      for (std::size_t i = 0; i < prices.size(); ++i) prices[i] = std::max(0.0, program_.price(static_cast<int>(demands_.size() + i)));
    }
    return answer();
  }

 private:
  struct RootDemand {
    std::int64_t weight = 1;
    std::vector<int> roots = {};
  };

  // Orbits of nodes and of limits; what kind of limit and which it is stays with the image.
  void find_orbits(const TreeDemand& demand) {
    std::vector<std::int64_t> marks(topology_.nodes().size());
    for (std::size_t v = 0; v < demand.weights.size(); ++v) marks[v] = 16 * demand.weights[v];
    std::int64_t bit = 1;
    for (const auto* nodes : {&demand.receivers, &demand.senders, &demand.multicast, &demand.reduce}) {
      for (const auto v : *nodes) marks[static_cast<std::size_t>(v)] |= bit;
      bit *= 2;
    }
    const auto group = symmetry_group(topology_, marks);
    std::vector<const std::vector<std::int32_t>*> of_nodes;
    for (const auto& element : group) of_nodes.push_back(&element.nodes);
    node_orbit_ = orbits(marks.size(), of_nodes);
    limit_orbit_ = limit_orbits(topology_, group);
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      const auto row = static_cast<std::size_t>(limit_orbit_[i]);
      if (row == capacities_.size()) capacities_.push_back(0);
      capacities_[row] += static_cast<double>(limits_[i].bandwidth.bytes_per_second()) / widest_;
    }
  }

  void list_demands(const TreeDemand& demand) {
    std::map<int, std::size_t> known;  // by orbit: the demand of weighted roots, anything of free ones
    const bool free = demand.weights.empty();
    if (free) demands_.push_back({});
    for (int v = 0; v < static_cast<int>(node_orbit_.size()); ++v) {
      const auto weight = free ? 0 : demand.weights[static_cast<std::size_t>(v)];
      const bool root = free ? topology_.rank_of(NodeId{v}) || std::ranges::find(demand.reduce, v) != demand.reduce.end() : weight > 0;
      if (!root) continue;
      const auto [at, first] = known.emplace(node_orbit_[static_cast<std::size_t>(v)], demands_.size());
      if (free) {
        if (first) demands_.front().roots.push_back(v);
      } else if (first) {
        demands_.push_back({weight, {v}});
      } else {
        demands_[at->second].weight += weight;
      }
    }
  }

  void set_prices(const std::vector<double>& prices) {
    std::vector<double> of_links(topology_.links().size());
    for (std::size_t l = 0; l < of_links.size(); ++l) {
      for (const auto i : limits_by_link_[l]) of_links[l] += prices[static_cast<std::size_t>(limit_orbit_[i])];
    }
    for (auto& finder : finders_) finder.set_prices(of_links);
  }

  // Adds the trees that help at these prices (all, unless `solved`); returns what one byte of weight 1 costs at least.
  double add_trees(const std::vector<double>& prices, bool solved) {
    set_prices(prices);
    double sum = 0;
    for (std::size_t d = 0; d < demands_.size(); ++d) {
      double least = std::numeric_limits<double>::infinity();
      for (const auto root : demands_[d].roots) {
        std::vector<PricedTree> trees;
        double cost = 0;
        for (const auto& finder : finders_) cost += trees.emplace_back(finder.cheapest(root)).cost;
        least = std::min(least, cost);
        if (std::isinf(cost) || (solved && cost >= -program_.price(static_cast<int>(d)) - packing_tolerance)) continue;
        add_column(d, trees);
      }
      sum += least * static_cast<double>(demands_[d].weight);
    }
    return sum;
  }

  void add_column(std::size_t demand, const std::vector<PricedTree>& trees) {
    std::map<int, double> uses;  // by row
    for (const auto& tree : trees) {
      for (const auto link : tree.links) {
        for (const auto i : limits_by_link_[link.index()]) uses[limit_orbit_[i]] += 1;
      }
    }
    std::vector<LinearProgram::Term> terms{{static_cast<int>(demand), 1}};
    for (const auto& [row, times] : uses) terms.push_back({static_cast<int>(demands_.size()) + row, times});
    program_.add_column(0, terms);
    ++columns_;
  }

  TreePacking answer() const {
    TreePacking packing{program_.objective() * widest_, upper_ * widest_};
    packing.exact = packing.reached >= packing.proved * (1 - 10 * packing_tolerance);
    if (best_prices_.empty()) return packing;
    for (const auto orbit : limit_orbit_) packing.prices.push_back(best_prices_[static_cast<std::size_t>(orbit)]);
    return packing;
  }

  const Topology& topology_;
  const std::function<bool()>& stop_;
  std::span<const MachineLimit> limits_;
  double widest_;
  std::vector<double> unbounded_{LinearProgram::unbounded};
  LinearProgram program_;
  std::vector<TreeFinder> finders_;
  std::vector<RootDemand> demands_;
  std::vector<std::vector<std::size_t>> limits_by_link_;
  std::vector<int> node_orbit_;
  std::vector<int> limit_orbit_;    // by limit: its row, without the demands'
  std::vector<double> capacities_;  // by such row, in widest links
  int columns_ = 0;
  double upper_ = std::numeric_limits<double>::infinity();  // in widest links
  std::vector<double> best_prices_;
};

}  // namespace

bool has_choices(const Topology& topology, const TreeDemand& demand) {
  const auto more_gpus = [&](const std::vector<int>& ends) { return !ends.empty() && ends.size() < static_cast<std::size_t>(topology.ranks()); };
  return more_gpus(demand.receivers) || more_gpus(demand.senders) ||
         (!demand.receivers.empty() && !branching_nodes(topology, demand, false).empty()) ||
         (!demand.senders.empty() && !branching_nodes(topology, demand, true).empty());
}

std::optional<TreePacking> best_tree_packing(const Topology& topology, const TreeDemand& demand, double known, double work) {
  // Of a single root, before anything is made whose size is more than the machine's.
  const auto of_root = [&](const std::vector<int>& ends, bool in_trees) {
    return ends.empty() ? 0 : TreeFinder::effort_of(topology, ends, branching_nodes(topology, demand, in_trees));
  };
  const auto nodes = topology.nodes().size();
  if (nodes > most_pairs / nodes || of_root(demand.receivers, false) + of_root(demand.senders, true) > work) return std::nullopt;
  TreeMaster master(topology, demand);
  if (master.effort() > work) return std::nullopt;
  return master.solve(known, work);
}

}  // namespace p2plab::bounds
