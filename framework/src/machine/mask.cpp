// SPDX-License-Identifier: Apache-2.0
#include "p2plab/machine/mask.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "machine/switch_to_pairs.h"

namespace p2plab {

namespace {

constexpr std::size_t gone = static_cast<std::size_t>(-1);

// What will be left: bandwidth of every link (zero: gone), and which nodes stay.
class MaskedMachine {
 public:
  explicit MaskedMachine(const Topology& topology) : topology_(topology), stays_(topology.nodes().size(), true) {
    for (const auto& link : topology.links()) left_.push_back(link.bandwidth.bytes_per_second());
  }

  void lose_gpu(const std::string& name) {
    const auto node = find(name);
    if (!node) return;
    if (topology_.node(*node).kind != NodeKind::gpu) {
      fail(fmt::format("'{}' is a {}, not a gpu: mask its links instead", name, to_string(topology_.node(*node).kind)));
      return;
    }
    drop(*node);
  }

  void drop(NodeId node) { stays_[node.index()] = false; }

  void lose_link(const LostLink& lost) {
    const auto from = find(lost.from);
    const auto to = find(lost.to);
    if (!from || !to) return;
    const bool there = lose_direction(lost, *from, *to);
    const bool back = lost.both_directions && lose_direction(lost, *to, *from);
    if (!there && !back) fail_unlinked(lost, *from);
  }

  Result<Topology> build() && {
    if (error_) return *std::move(error_);
    Topology::Builder builder(topology_.name());
    std::vector<NodeId> nodes(topology_.nodes().size());
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (stays_[i]) nodes[i] = builder.add_node(topology_.nodes()[i]);
    }
    std::vector<std::size_t> links(left_.size(), gone);
    for (std::size_t i = 0; i < left_.size(); ++i) {
      auto link = topology_.links()[i];
      if (left_[i] == 0 || !stays_[link.from.index()] || !stays_[link.to.index()]) continue;
      link.from = nodes[link.from.index()];
      link.to = nodes[link.to.index()];
      link.bandwidth = Bandwidth::bytes_per_second(left_[i]);
      links[i] = builder.add_link(link).index();
    }
    for (auto group : topology_.groups()) {
      std::vector<LinkId> members;
      for (const auto link : group.links) {
        if (links[link.index()] != gone) members.emplace_back(static_cast<std::int64_t>(links[link.index()]));
      }
      group.links = std::move(members);
      if (!group.links.empty()) builder.add_group(std::move(group));
    }
    builder.set_sources(sources_left(links));
    return std::move(builder).build();
  }

 private:
  MachineSources sources_left(const std::vector<std::size_t>& links) const {
    MachineSources sources;
    for (auto value : topology_.sources().values) {
      const bool had_links = !value.links.empty();
      std::vector<LinkId> left;
      for (const auto link : value.links) {
        if (links[link.index()] != gone) left.emplace_back(static_cast<std::int64_t>(links[link.index()]));
      }
      value.links = std::move(left);
      if (!had_links || !value.links.empty()) sources.values.push_back(std::move(value));
    }
    const auto& words = topology_.sources().words;
    const auto ranks = static_cast<std::size_t>(topology_.ranks());
    const auto stays = [&](std::size_t rank) { return stays_[topology_.node_of(Rank{static_cast<std::int64_t>(rank)}).index()]; };
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (stays(i / ranks) && stays(i % ranks)) sources.words.push_back(words[i]);
    }
    return sources;
  }

  std::optional<NodeId> find(const std::string& name) {
    const auto node = topology_.find_node(name);
    if (node) return node;
    std::vector<std::string> names;
    for (const auto& known : topology_.nodes()) names.push_back(known.name);
    keep(unknown_name(fmt::format("node of topology '{}'", topology_.name()), name, names));
    return std::nullopt;
  }

  // True if there was a link to lose.
  bool lose_direction(const LostLink& lost, NodeId from, NodeId to) {
    std::vector<LinkId> links;
    std::int64_t total = 0;
    for (const auto id : topology_.out_links(from)) {
      if (topology_.link(id).to != to || left_[id.index()] == 0) continue;
      links.push_back(id);
      total += left_[id.index()];
    }
    if (links.empty()) return false;
    const auto amount = lost_amount(lost, total);
    if (!amount) return true;  // reported
    auto rest = *amount;
    std::ranges::reverse(links);
    for (const auto id : links) {
      const auto part = std::min(rest, left_[id.index()]);
      left_[id.index()] -= part;
      rest -= part;
    }
    return true;
  }

  std::optional<std::int64_t> lost_amount(const LostLink& lost, std::int64_t total) {
    const auto name = fmt::format("{} -> {}", lost.from, lost.to);
    if (lost.fraction && lost.bandwidth) {
      fail(fmt::format("masked link {}: give a fraction or a bandwidth, not both", name));
      return std::nullopt;
    }
    if (lost.fraction) {
      if (*lost.fraction > 0 && *lost.fraction <= 1) return std::llround(static_cast<double>(total) * *lost.fraction);
      fail(fmt::format("masked link {}: the fraction that is lost must be above 0 and at most 1, got {}", name, *lost.fraction));
      return std::nullopt;
    }
    if (!lost.bandwidth) return total;
    const auto amount = lost.bandwidth->bytes_per_second();
    if (amount > 0 && amount <= total) return amount;
    fail(fmt::format("masked link {}: the bandwidth that is lost must be above 0 and at most the {} GB/s that are there, got {} GB/s", name,
                     static_cast<double>(total) * 1e-9, lost.bandwidth->gbps()));
    return std::nullopt;
  }

  void fail_unlinked(const LostLink& lost, NodeId from) {
    std::vector<std::string> neighbours;
    for (const auto id : topology_.out_links(from)) {
      const auto& name = topology_.node(topology_.link(id).to).name;
      if (std::ranges::find(neighbours, name) == neighbours.end()) neighbours.push_back(name);
    }
    Error error{ErrorCode::invalid_input, fmt::format("no link joins '{}' and '{}' directly, so none can be masked", lost.from, lost.to)};
    error.notes.push_back(neighbours.empty() ? fmt::format("{} has no links", lost.from)
                                             : fmt::format("{} is linked to {}", lost.from, fmt::join(neighbours, ", ")));
    keep(std::move(error));
  }

  void fail(std::string message) { keep(Error{ErrorCode::invalid_input, std::move(message)}); }

  void keep(Error error) {
    if (!error_) {
      error_ = std::move(error);
      return;
    }
    error_->more.push_back(std::move(error));
  }

  const Topology& topology_;
  std::vector<std::int64_t> left_;
  std::vector<bool> stays_;
  std::optional<Error> error_;
};

}  // namespace

namespace {

bool linked(const Topology& topology, NodeId from, NodeId to) {
  return std::ranges::any_of(topology.out_links(from), [&](LinkId id) { return topology.link(id).to == to; });
}

// An NVSwitch that joins the two nodes of a lost link which have no link of their own.
std::optional<NodeId> switch_between(const Topology& topology, const LostLink& lost) {
  const auto from = topology.find_node(lost.from);
  const auto to = topology.find_node(lost.to);
  if (!from || !to || from == to || linked(topology, *from, *to) || linked(topology, *to, *from)) return std::nullopt;
  for (const auto id : topology.out_links(*from)) {
    const auto middle = topology.link(id).to;
    if (topology.node(middle).kind == NodeKind::nvswitch && linked(topology, middle, *to)) return middle;
  }
  return std::nullopt;
}

}  // namespace

Result<Topology> apply_mask(const Topology& topology, const Mask& mask) {
  MaskedMachine masked(topology);
  std::vector<LostLink> through_switches;
  for (const auto& lost : mask.links) {
    switch_between(topology, lost) ? through_switches.push_back(lost) : masked.lose_link(lost);
  }
  for (const auto& name : mask.gpus) masked.lose_gpu(name);
  auto rest = std::move(masked).build();
  for (const auto& lost : through_switches) {
    while (rest) {
      const auto hub = switch_between(*rest, lost);
      if (!hub) break;
      rest = unfold(*rest, *hub);
    }
  }
  if (!rest || through_switches.empty()) return rest;
  MaskedMachine unfolded(*rest);
  for (const auto& lost : through_switches) unfolded.lose_link(lost);
  return std::move(unfolded).build();
}

Result<Topology> keep_gpus(const Topology& topology, const std::vector<Rank>& gpus) {
  MaskedMachine masked(topology);
  for (std::int64_t r = 0; r < topology.ranks(); ++r) {
    if (std::ranges::find(gpus, Rank{r}) == gpus.end()) masked.drop(topology.node_of(Rank{r}));
  }
  return std::move(masked).build();
}

}  // namespace p2plab
