// SPDX-License-Identifier: Apache-2.0
#include "p2plab/machine/oddities.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"
#include "p2plab/machine/cuts.h"
#include "p2plab/machine/topology_view.h"

namespace p2plab {

namespace {

class OddityFinder {
 public:
  explicit OddityFinder(const Topology& topology) : topology_(topology) {}

  std::vector<Oddity> run() {
    compare(gpus_by_rate(LinkKind::nvlink), LinkKind::nvlink, "NVLink", "nvidia-smi nvlink -s, and nvidia-smi nvlink -e for its errors");
    const std::string lspci = "lspci -vv of the port above it";
    compare(gpus_by_rate(LinkKind::pcie), LinkKind::pcie, "PCIe", "nvidia-smi -q -d PCIE (link width and generation, under load), " + lspci);
    compare_switches(lspci);
    find_one_way();
    find_missing_gpu();
    find_missing_below(NodeKind::pcie_switch);
    find_missing_below(NodeKind::host);
    return std::move(found_);
  }

 private:
  static std::string rate(std::int64_t bytes) { return fmt::format("{:.5g} GB/s", static_cast<double>(bytes) * 1e-9); }

  // Links from chip to chip, to the host, are no NVLinks between GPUs.
  bool counts(const Link& link, LinkKind kind) const {
    const auto is_host = [&](NodeId node) { return topology_.node(node).kind == NodeKind::host; };
    return link.kind == kind && (kind != LinkKind::nvlink || (!is_host(link.from) && !is_host(link.to)));
  }

  // Parts that are alike, by what each sends over links of a kind: GPUs to everything, switches of PCIe upwards.
  using Rates = std::map<std::int64_t, std::vector<NodeId>>;

  Rates gpus_by_rate(LinkKind kind) const {
    Rates rates;
    for (int r = 0; r < topology_.ranks(); ++r) rates[sum_of(topology_.node_of(Rank{r}), kind)].push_back(topology_.node_of(Rank{r}));
    return rates;
  }

  NodeKind other_end(const Link& link, NodeId node) const { return topology_.node(link.from == node ? link.to : link.from).kind; }

  // Above a switch is a host, or another switch where it has none.
  bool upwards(const Link& link, NodeId node) const {
    if (topology_.node(node).kind != NodeKind::pcie_switch) return true;
    const auto to_host = [&](LinkId id) { return other_end(topology_.link(id), node) == NodeKind::host; };
    return other_end(link, node) == (std::ranges::any_of(topology_.out_links(node), to_host) ? NodeKind::host : NodeKind::pcie_switch);
  }

  std::int64_t sum_of(NodeId node, LinkKind kind) const {
    std::int64_t sum = 0;
    for (const auto id : topology_.out_links(node)) {
      const auto& link = topology_.link(id);
      if (counts(link, kind) && upwards(link, node)) sum += link.bandwidth.bytes_per_second();
    }
    return sum;
  }

  // Switches are alike that have as many GPUs and switches below and above.
  void compare_switches(const std::string& ask) {
    std::map<std::pair<std::ptrdiff_t, std::ptrdiff_t>, Rates> alike;
    for (std::size_t i = 0; i < topology_.nodes().size(); ++i) {
      const NodeId node{static_cast<std::int64_t>(i)};
      if (topology_.node(node).kind != NodeKind::pcie_switch) continue;
      const auto neighbours = [&](NodeKind kind) {
        return std::ranges::count_if(topology_.out_links(node), [&](LinkId id) { return other_end(topology_.link(id), node) == kind; });
      };
      alike[{neighbours(NodeKind::gpu), neighbours(NodeKind::pcie_switch)}][sum_of(node, LinkKind::pcie)].push_back(node);
    }
    for (const auto& [shape, rates] : alike) compare(rates, LinkKind::pcie, "PCIe upwards", ask);
  }

  // Parts that send less than most do. Machines whose parts differ by design have no such majority; of PCIe, half are enough, since slots of less
  // width have their cost whether or not they were meant so.
  void compare(const Rates& groups, LinkKind kind, const std::string& word, const std::string& ask) {
    std::size_t all = 0;
    for (const auto& [sum, nodes] : groups) all += nodes.size();
    const auto needed = kind == LinkKind::pcie ? (all + 1) / 2 : all / 2 + 1;
    const auto most = std::find_if(groups.rbegin(), groups.rend(), [&](const auto& group) { return group.second.size() >= needed; });
    if (most == groups.rend() || most->first == 0) return;
    for (const auto& [sum, nodes] : groups) {
      if (sum >= most->first) continue;
      std::vector<std::string> names;
      for (const auto node : nodes) names.push_back(topology_.node(node).name);
      const auto has = sum == 0 ? fmt::format("no {}", word) : fmt::format("{} of {} in one direction", rate(sum), word);
      found_.push_back(
          {fmt::format("{} {} {} where the others have {}", short_names(names), names.size() > 1 ? "have" : "has", has, rate(most->first)), ask,
           sum == 0 ? joined(nodes, most->second.front(), kind) : widened(nodes, kind, sum, most->first)});
      for (const auto node : nodes) {
        if (const auto rank = topology_.rank_of(node)) found_.back().gpus.push_back(*rank);
      }
    }
  }

  // The machine with the links of these parts as wide as the others', both ways.
  std::optional<Topology> widened(const std::vector<NodeId>& nodes, LinkKind kind, std::int64_t now, std::int64_t then) const {
    return changed([&](Link& link) {
      if (!counts(link, kind)) return;
      for (const auto node : nodes) {
        if ((link.from != node && link.to != node) || !upwards(link, node)) continue;
        const auto scaled = static_cast<double>(link.bandwidth.bytes_per_second()) * static_cast<double>(then) / static_cast<double>(now);
        link.bandwidth = Bandwidth::bytes_per_second(std::llround(scaled));
        return;
      }
    });
  }

  // The machine with these GPUs at the switches of `like`; none where that has links to GPUs.
  std::optional<Topology> joined(const std::vector<NodeId>& gpus, NodeId like, LinkKind kind) const {
    std::vector<Link> more;
    for (const auto& link : topology_.links()) {
      if (!counts(link, kind) || (link.from != like && link.to != like)) continue;
      if (other_end(link, like) != NodeKind::nvswitch) return std::nullopt;
      for (const auto gpu : gpus) {
        auto copy = link;
        (copy.from == like ? copy.from : copy.to) = gpu;
        more.push_back(copy);
      }
    }
    return changed([](Link&) {}, more);
  }

  template <class Change>
  std::optional<Topology> changed(const Change& change, const std::vector<Link>& more = {}) const {
    Topology::Builder builder(topology_.name());
    for (const auto& node : topology_.nodes()) builder.add_node(node);
    for (auto link : topology_.links()) {
      change(link);
      builder.add_link(link);
    }
    for (const auto& link : more) builder.add_link(link);
    for (const auto& group : topology_.groups()) builder.add_group(group);
    builder.set_sources(topology_.sources());
    auto built = std::move(builder).build();
    return built ? std::optional{*std::move(built)} : std::nullopt;
  }

  void find_one_way() {
    for (const auto& pair : asymmetries(topology_)) {
      const auto& from = topology_.node(pair.from).name;
      const auto& to = topology_.node(pair.to).name;
      auto healed = changed([&](Link& link) {
        if (link.from == pair.to && link.to == pair.from && pair.backward > Bandwidth{}) link.bandwidth = pair.forward;
      });
      found_.push_back({fmt::format("{} -> {} has {}, but the way back {}", from, to, rate(pair.forward.bytes_per_second()),
                                    pair.backward == Bandwidth{} ? "nothing" : rate(pair.backward.bytes_per_second())),
                        "p2plab calibrate measures both directions of each pair", pair.backward == Bandwidth{} ? std::nullopt : std::move(healed)});
    }
  }

  // Servers with NVSwitches have 4, 8, 16 or more GPUs, an even number in any case.
  void find_missing_gpu() {
    const auto switches = std::ranges::count(topology_.nodes(), NodeKind::nvswitch, &Node::kind);
    if (switches != 1 || topology_.ranks() < 5 || topology_.ranks() % 2 == 0) return;
    found_.push_back({fmt::format("{} GPUs on an NVSwitch: such machines have {}, so one may be lost or hidden (CUDA_VISIBLE_DEVICES, containers)",
                                  topology_.ranks(), topology_.ranks() + 1),
                      "nvidia-smi -L, lspci | grep -i nvidia, dmesg | grep Xid"});
  }

  // One switch, or socket, with one GPU fewer than each of its brothers, which have four or more.
  void find_missing_below(NodeKind kind) {
    std::map<std::ptrdiff_t, std::vector<NodeId>> by_count;
    for (std::size_t i = 0; i < topology_.nodes().size(); ++i) {
      const NodeId node{static_cast<std::int64_t>(i)};
      if (topology_.node(node).kind != kind) continue;
      const auto gpus = std::ranges::count_if(topology_.out_links(node), [&](LinkId id) {
        return topology_.link(id).kind == LinkKind::pcie && other_end(topology_.link(id), node) == NodeKind::gpu;
      });
      if (gpus > 0) by_count[gpus].push_back(node);
    }
    if (by_count.size() != 2) return;
    const auto& [few, lacking] = *by_count.begin();
    const auto& [many, whole] = *by_count.rbegin();
    if (many != few + 1 || lacking.size() != 1 || many < 4 || many % 2 == 1) return;
    found_.push_back(
        {fmt::format("{} has {} GPUs where {} {}: one may be lost or hidden (CUDA_VISIBLE_DEVICES, containers)", topology_.node(lacking.front()).name,
                     few, whole.size() > 1 ? "the others have" : topology_.node(whole.front()).name + " has", many),
         "nvidia-smi -L, lspci | grep -i nvidia, dmesg | grep Xid"});
  }

  const Topology& topology_;
  std::vector<Oddity> found_;
};

}  // namespace

std::vector<Oddity> find_oddities(const Topology& topology) { return OddityFinder(topology).run(); }

}  // namespace p2plab
