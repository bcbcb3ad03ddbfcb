// SPDX-License-Identifier: Apache-2.0
// Slurm's topology.conf: a tree of switches, where networks are rails and trees with several roots.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/machines/hosts.h"
#include "p2plab/base/sets.h"

namespace p2plab::cli {

namespace {

class SwitchTree {
 public:
  SwitchTree(const Topology& topology, const Hosts& hosts)
      : topology_(topology), hosts_(hosts), level_(topology.nodes().size(), -1), merged_(level_.size()) {}

  Result<std::string> run() {
    find_leaves();
    if (leaves_of_.empty() || hosts_.servers.count() < 2)
      return Error{ErrorCode::unsupported, fmt::format("no network joins servers of '{}', so Slurm has no switches to know", topology_.name())};
    find_levels();
    join_what_shares();
    return text();
  }

 private:
  bool is_switch(std::size_t node) const { return topology_.nodes()[node].kind == NodeKind::network_switch; }

  // Switches at the other end of each server's NICs: whatever its GPUs reach first by a link of the network.
  void find_leaves() {
    for (std::size_t s = 0; s < hosts_.servers.ranks.size(); ++s) {
      std::set<std::size_t> seen;
      std::vector<std::size_t> open;
      for (const auto rank : hosts_.servers.ranks[s]) open.push_back(topology_.node_of(rank).index());
      while (!open.empty()) {
        const auto node = open.back();
        open.pop_back();
        if (!seen.insert(node).second) continue;
        for (const auto id : topology_.out_links(NodeId{static_cast<std::int64_t>(node)})) {
          const auto to = topology_.link(id).to.index();
          if (!is_switch(to)) {
            open.push_back(to);
            continue;
          }
          leaves_of_[s].insert(to);
          level_[to] = 0;
        }
      }
    }
  }

  // A switch is one above the lowest that it is joined to.
  void find_levels() {
    for (int level = 0; level <= top_; ++level) {
      for (std::size_t n = 0; n < level_.size(); ++n) {
        if (level_[n] != level) continue;
        for (const auto id : topology_.out_links(NodeId{static_cast<std::int64_t>(n)})) {
          const auto to = topology_.link(id).to.index();
          if (!is_switch(to)) continue;
          neighbours_[n].insert(to);
          if (level_[to] < 0) level_[to] = top_ = level + 1;
        }
      }
    }
  }

  void join_what_shares() {
    for (const auto& [server, leaves] : leaves_of_) {
      for (const auto leaf : leaves) merged_.join(leaf, *leaves.begin());
    }
    for (int level = 1; level <= top_; ++level) {
      std::map<std::size_t, std::size_t> above;  // by what was merged below: a switch above it
      for (const auto& [low, others] : neighbours_) {
        if (level_[low] != level - 1) continue;
        for (const auto high : others) {
          if (level_[high] == level) merged_.join(above.emplace(merged_.of(low), high).first->second, high);
        }
      }
    }
  }

  // What Slurm takes, once each: "MF0;leaf" and "MF0:leaf" are MF0_leaf and MF0_leaf_2.
  std::string unique(std::string name) {
    for (auto& c : name) {
      if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '.') c = '_';
    }
    auto one = name;
    for (int other = 2; !names_.insert(one).second; ++other) one = fmt::format("{}_{}", name, other);
    return one;
  }

  std::string name_of(std::size_t root) {
    const auto known = name_by_root_.find(root);
    return known != name_by_root_.end() ? known->second : name_by_root_[root] = unique(topology_.nodes()[root].name);
  }

  std::string text() {
    std::map<std::size_t, std::vector<std::string>> nodes;  // by merged leaf
    for (const auto& [server, leaves] : leaves_of_) nodes[merged_.of(*leaves.begin())].push_back(hosts_.names[server]);
    std::map<std::size_t, std::set<std::size_t>> below;
    std::set<std::size_t> has_parent;
    for (const auto& [low, others] : neighbours_) {
      for (const auto high : others) {
        if (level_[high] != level_[low] + 1) continue;
        below[merged_.of(high)].insert(merged_.of(low));
        has_parent.insert(merged_.of(low));
      }
    }
    std::string out = fmt::format("# Slurm's topology.conf of {}, for TopologyPlugin=topology/tree\n", topology_.name());
    std::vector<std::string> roots;
    for (const auto& [leaf, names] : nodes) {
      out += fmt::format("SwitchName={} Nodes={}\n", name_of(leaf), fmt::join(names, ","));
      if (!has_parent.contains(leaf)) roots.push_back(name_of(leaf));
    }
    for (const auto& [high, lows] : below) {
      std::vector<std::string> names;
      for (const auto low : lows) names.push_back(name_of(low));
      out += fmt::format("SwitchName={} Switches={}\n", name_of(high), fmt::join(names, ","));
      if (!has_parent.contains(high)) roots.push_back(name_of(high));
    }
    // Switches of one level that are joined with each other, as a dragonfly's groups are.
    if (roots.size() > 1) out += fmt::format("SwitchName={} Switches={}\n", unique("all"), fmt::join(roots, ","));
    return out;
  }

  const Topology& topology_;
  const Hosts& hosts_;
  std::map<std::size_t, std::set<std::size_t>> leaves_of_;   // by server
  std::vector<int> level_;                                   // by node; -1: no switch, or not joined to a server
  std::map<std::size_t, std::set<std::size_t>> neighbours_;  // by switch
  Sets merged_;                                              // of switches
  std::map<std::size_t, std::string> name_by_root_;
  std::set<std::string> names_;
  int top_ = 0;
};

}  // namespace

Result<std::string> topology_conf(const Topology& topology, const Hosts& hosts) { return SwitchTree{topology, hosts}.run(); }

}  // namespace p2plab::cli
