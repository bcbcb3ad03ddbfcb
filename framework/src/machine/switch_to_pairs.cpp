// SPDX-License-Identifier: Apache-2.0
#include "machine/switch_to_pairs.h"

#include <algorithm>

#include <fmt/format.h>

namespace p2plab {

namespace {

class Unfolding {
 public:
  Unfolding(const Topology& topology, NodeId hub) : topology_(topology), hub_(hub), builder_(topology.name()), stands_for_(topology.links().size()) {}

  Result<Topology> run() && {
    copy_nodes();
    copy_links();
    pair_up();
    budgets();
    builder_.set_sources(sources());
    return std::move(builder_).build();
  }

 private:
  MachineSources sources() const {
    auto sources = topology_.sources();
    for (auto& value : sources.values) {
      std::vector<LinkId> links;
      for (const auto link : value.links) links.insert(links.end(), stands_for_[link.index()].begin(), stands_for_[link.index()].end());
      value.links = std::move(links);
    }
    return sources;
  }

  void copy_nodes() {
    for (std::size_t i = 0; i < topology_.nodes().size(); ++i) {
      const bool is_hub = i == hub_.index();
      nodes_.push_back(is_hub ? hub_ : builder_.add_node(topology_.nodes()[i]));
    }
  }

  void copy_links() {
    for (std::size_t i = 0; i < topology_.links().size(); ++i) {
      auto link = topology_.links()[i];
      if (link.from == hub_ || link.to == hub_) continue;
      link.from = nodes_[link.from.index()];
      link.to = nodes_[link.to.index()];
      stands_for_[i].push_back(builder_.add_link(link));
    }
  }

  void pair_up() {
    for (const auto in : topology_.in_links(hub_)) {
      for (const auto out : topology_.out_links(hub_)) {
        const auto& first = topology_.link(in);
        const auto& second = topology_.link(out);
        if (first.from == second.to) continue;
        const auto link = builder_.add_link({nodes_[first.from.index()], nodes_[second.to.index()], first.kind,
                                             std::min(first.bandwidth, second.bandwidth), first.latency + second.latency});
        stands_for_[in.index()].push_back(link);
        stands_for_[out.index()].push_back(link);
        through_.push_back(link);
      }
    }
  }

  void budgets() {
    for (const auto& group : topology_.groups()) {
      std::vector<LinkId> members;
      for (const auto link : group.links) members.insert(members.end(), stands_for_[link.index()].begin(), stands_for_[link.index()].end());
      std::ranges::sort(members);
      members.erase(std::unique(members.begin(), members.end()), members.end());
      add_group(group.name, group.bandwidth, std::move(members), group.of);
    }
    for (const auto links : {topology_.in_links(hub_), topology_.out_links(hub_)}) {
      for (const auto id : links) {
        const auto& link = topology_.link(id);
        // Parallel links keep apart by their number.
        add_group(fmt::format("{} -> {} (link {})", topology_.node(link.from).name, topology_.node(link.to).name, id.value), link.bandwidth,
                  stands_for_[id.index()]);
      }
    }
    const auto& hub = topology_.node(hub_);
    if (hub.ingress) add_group(fmt::format("ingress of {}", hub.name), *hub.ingress, through_);
    if (hub.egress) add_group(fmt::format("egress of {}", hub.name), *hub.egress, through_);
    if (hub.root_complex) add_group(fmt::format("root complex of {}", hub.name), *hub.root_complex, through_);
  }

  void add_group(std::string name, Bandwidth bandwidth, std::vector<LinkId> links, Traffic of = Traffic::all) {
    if (!links.empty()) builder_.add_group({std::move(name), bandwidth, std::move(links), of});
  }

  const Topology& topology_;
  NodeId hub_;
  Topology::Builder builder_;
  std::vector<NodeId> nodes_;                    // old to new
  std::vector<std::vector<LinkId>> stands_for_;  // new links, by old link
  std::vector<LinkId> through_;
};

}  // namespace

Result<Topology> unfold(const Topology& topology, NodeId hub) {
  expects(topology.node(hub).kind != NodeKind::gpu);
  return Unfolding{topology, hub}.run();
}

}  // namespace p2plab
