// SPDX-License-Identifier: Apache-2.0
// Columns: per link what out-trees and in-trees take of it, per root its share. Rows: capacities; switches pass on no more than they get (out-trees)
// or get no more than they pass on (in-trees); and, found as they are needed, the cuts that trees must cross (Edmonds: enough for a packing).
#include <algorithm>
#include <cmath>
#include <set>

#include "bounds/at_scale.h"
#include "bounds/flow_graph.h"
#include "bounds/shared_links.h"
#include "p2plab/detail/linear_program.h"
#include "p2plab/detail/tree_shares.h"

namespace p2plab {

namespace bounds {

namespace {

constexpr double grain = 1099511627776.0;  // 2^40: shares of the widest link as whole numbers, for exact minimum cuts
constexpr double tolerance = 1e-8;

class TreeProgram {
 public:
  TreeProgram(const Topology& topology, const TreeDemand& demand)
      : topology_(topology), demand_(demand), links_(static_cast<int>(topology.links().size())), nodes_(static_cast<int>(topology.nodes().size())) {
    in_first_ = demand.receivers.empty() ? 0 : links_;
    root_first_ = in_first_ + (demand.senders.empty() ? 0 : links_);
    // Nodes that add may be roots of a pair of trees; for trees of one kind a GPU does as well.
    if (demand.weights.empty()) adding_roots_ = demand.reduce;
    roots_ = demand.weights.empty() ? topology.ranks() + static_cast<int>(adding_roots_.size()) : 1;
    std::vector<double> objective(static_cast<std::size_t>(root_first_) + static_cast<std::size_t>(roots_), 0);
    for (int r = 0; r < roots_; ++r) objective[static_cast<std::size_t>(root_first_ + r)] = 1;
    const std::vector<double> upper(objective.size(), LinearProgram::unbounded);
    program_ = std::make_unique<LinearProgram>(objective, upper);
    program_->stop_when(demand.stop);
    limit_rows_ = add_capacities(*program_, topology, [&](LinkId link) {
      std::vector<int> columns;
      if (!demand_.receivers.empty()) columns.push_back(link.value);
      if (!demand_.senders.empty()) columns.push_back(in_first_ + link.value);
      return columns;
    });
    add_switches();
    for (const auto t : demand.receivers) add_everything_but(t, false);
    for (const auto t : demand.senders) add_everything_but(t, true);
  }

  std::optional<TreeShares> solve() {
    while (program_->solve() && !(demand_.stop && demand_.stop())) {
      bool clean = true;
      if (!demand_.receivers.empty()) clean = separate(false) && clean;
      if (!demand_.senders.empty()) clean = separate(true) && clean;
      if (clean) return shares();
    }
    return std::nullopt;
  }

 private:
  TreeShares shares() const {
    const auto scale = widest_link(topology_);
    TreeShares result{program_->objective() * scale, {}, {}, {}, prices_of_rows(*program_, limit_rows_)};
    for (int l = 0; l < links_; ++l) {
      if (!demand_.receivers.empty()) result.out.push_back(program_->value(l) * scale);
      if (!demand_.senders.empty()) result.in.push_back(program_->value(in_first_ + l) * scale);
    }
    for (int r = 0; r < topology_.ranks(); ++r) {
      const auto term = root(topology_.node_of(Rank{r}).value);
      result.roots.push_back(term ? program_->value(term->index) * term->factor * scale : 0);
    }
    return result;
  }

  int first(bool in_trees) const { return in_trees ? in_first_ : 0; }

  // The share of a vertex as a root: its column and factor; none if it cannot be one.
  std::optional<LinearProgram::Term> root(int vertex) const {
    const auto rank = topology_.rank_of(NodeId{vertex});
    if (!demand_.weights.empty()) {
      const auto weight = demand_.weights[static_cast<std::size_t>(vertex)];
      return weight > 0 ? std::optional{LinearProgram::Term{root_first_, static_cast<double>(weight)}} : std::nullopt;
    }
    if (rank) return LinearProgram::Term{root_first_ + rank->value, 1};
    const auto adding = std::ranges::find(adding_roots_, vertex);
    if (adding == adding_roots_.end()) return std::nullopt;
    return LinearProgram::Term{root_first_ + topology_.ranks() + static_cast<int>(adding - adding_roots_.begin()), 1};
  }

  // May a tree branch (join, for in-trees) at this node?
  bool may_branch(int vertex, bool in_trees) const {
    if (!in_trees && demand_.hosts_copy && topology_.node(NodeId{vertex}).kind == NodeKind::host) return true;
    const auto& able = in_trees ? demand_.reduce : demand_.multicast;
    return std::ranges::find(able, vertex) != able.end();
  }

  // Switches neither copy nor add, but for those named. A host keeps what passes, so it may send it on more than once.
  void add_switches() {
    for (int v = 0; v < nodes_; ++v) {
      const NodeId node{v};
      if (topology_.node(node).kind == NodeKind::gpu) continue;
      for (const bool in_trees : {false, true}) {
        if ((in_trees ? demand_.senders : demand_.receivers).empty() || may_branch(v, in_trees)) continue;
        std::vector<LinearProgram::Term> row;
        for (const auto link : topology_.in_links(node)) row.push_back({first(in_trees) + link.value, in_trees ? -1.0 : 1.0});
        for (const auto link : topology_.out_links(node)) row.push_back({first(in_trees) + link.value, in_trees ? 1.0 : -1.0});
        if (const auto own = root(v)) row.push_back(*own);
        if (!row.empty()) program_->add_row(0, row, LinearProgram::unbounded);
      }
    }
  }

  void add_everything_but(int vertex, bool in_trees) {
    std::vector<bool> inside(static_cast<std::size_t>(nodes_), true);
    inside[static_cast<std::size_t>(vertex)] = false;
    add_cut(inside, in_trees);
  }

  // What leaves the set (enters it, for in-trees) must carry the share of all roots inside.
  bool add_cut(const std::vector<bool>& inside, bool in_trees) {
    if (!known_.emplace(in_trees, inside).second) return false;
    std::vector<LinearProgram::Term> row;
    for (int l = 0; l < links_; ++l) {
      const auto& link = topology_.link(LinkId{l});
      const auto from = in_trees ? link.to : link.from;
      const auto to = in_trees ? link.from : link.to;
      if (inside[from.index()] && !inside[to.index()]) row.push_back({first(in_trees) + l, 1});
    }
    std::vector<double> shares(static_cast<std::size_t>(roots_));
    for (int v = 0; v < nodes_; ++v) {
      const auto term = inside[static_cast<std::size_t>(v)] ? root(v) : std::nullopt;
      if (term) shares[static_cast<std::size_t>(term->index - root_first_)] += term->factor;
    }
    for (std::size_t i = 0; i < shares.size(); ++i) {
      if (shares[i] > 0) row.push_back({root_first_ + static_cast<int>(i), -shares[i]});
    }
    program_->add_row(0, row, LinearProgram::unbounded);
    return true;
  }

  // Adds the cuts that the solution at hand violates; true if there are none.
  bool separate(bool in_trees) {
    MaxFlow<std::int64_t> flow(nodes_ + 1);
    const auto whole = [&](double share) { return static_cast<std::int64_t>(std::llround(std::max(share, 0.0) * grain)); };
    for (int l = 0; l < links_; ++l) {
      const auto& link = topology_.link(LinkId{l});
      const auto capacity = whole(program_->value(first(in_trees) + l));
      in_trees ? flow.add_arc(link.to.value, link.from.value, capacity) : flow.add_arc(link.from.value, link.to.value, capacity);
    }
    std::int64_t wanted = 0;
    for (int v = 0; v < nodes_; ++v) {
      const auto term = root(v);
      if (!term) continue;
      const auto share = whole(program_->value(term->index) * term->factor);
      flow.add_arc(nodes_, v, share);
      wanted += share;
    }
    const auto enough = wanted - static_cast<std::int64_t>(tolerance * static_cast<double>(wanted)) - links_;
    bool clean = true;
    for (const auto t : in_trees ? demand_.senders : demand_.receivers) {
      if (flow.run(nodes_, t, wanted) >= enough) continue;
      std::vector<bool> inside(static_cast<std::size_t>(nodes_));
      for (int v = 0; v < nodes_; ++v) inside[static_cast<std::size_t>(v)] = flow.on_source_side(v);
      if (add_cut(inside, in_trees)) clean = false;
    }
    return clean;
  }

  const Topology& topology_;
  const TreeDemand& demand_;
  int links_;
  int nodes_;
  int in_first_ = 0;
  int root_first_ = 0;
  int roots_ = 0;
  std::vector<int> adding_roots_;
  std::vector<int> limit_rows_;
  std::unique_ptr<LinearProgram> program_;
  std::set<std::pair<bool, std::vector<bool>>> known_;
};

}  // namespace

}  // namespace bounds

std::optional<TreeShares> best_tree_shares(const Topology& topology, const TreeDemand& demand) {
  // Where switches may not copy, a tree crosses a link once for each of those it is to reach behind it, and so for each weight.
  double weight = demand.weights.empty() ? 1 : 0;
  for (const auto each : demand.weights) weight += static_cast<double>(each);
  const auto uses = weight * static_cast<double>(demand.receivers.size() + demand.senders.size());
  return bounds::at_scale(
      topology, uses,
      [&](const Topology& machine) {
        return bounds::TreeProgram{machine, demand}.solve();
      },
      [](const TreeShares& shares) { return shares.rate; });
}

}  // namespace p2plab
