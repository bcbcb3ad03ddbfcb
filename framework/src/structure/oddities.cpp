// SPDX-License-Identifier: Apache-2.0
#include "p2plab/machine/oddities.h"

#include <algorithm>
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
    compare(LinkKind::nvlink, "NVLink", "nvidia-smi nvlink -s, and nvidia-smi nvlink -e for its errors");
    compare(LinkKind::pcie, "PCIe", "nvidia-smi -q -d PCIE (link width and generation, under load), lspci -vv of the port above it");
    find_one_way();
    find_missing_gpu();
    return std::move(found_);
  }

 private:
  static std::string rate(std::int64_t bytes) { return fmt::format("{:.5g} GB/s", static_cast<double>(bytes) * 1e-9); }

  // Links from chip to chip, to the host, are no NVLinks between GPUs.
  bool counts(const Link& link, LinkKind kind) const {
    const auto is_host = [&](NodeId node) { return topology_.node(node).kind == NodeKind::host; };
    return link.kind == kind && (kind != LinkKind::nvlink || (!is_host(link.from) && !is_host(link.to)));
  }

  // What each GPU sends over links of a kind.
  std::map<std::int64_t, std::vector<Rank>> by_rate(LinkKind kind) const {
    std::map<std::int64_t, std::vector<Rank>> groups;
    for (std::int64_t r = 0; r < topology_.ranks(); ++r) {
      std::int64_t sum = 0;
      for (const auto id : topology_.out_links(topology_.node_of(Rank{r}))) {
        if (counts(topology_.link(id), kind)) sum += topology_.link(id).bandwidth.bytes_per_second();
      }
      groups[sum].push_back(Rank{r});
    }
    return groups;
  }

  // GPUs that send less over a kind of links than most do. Machines whose GPUs differ by design have no such majority.
  void compare(LinkKind kind, const std::string& word, const std::string& ask) {
    const auto groups = by_rate(kind);
    if (groups.size() < 2) return;
    const auto most = std::ranges::max_element(groups, {}, [](const auto& group) { return group.second.size(); });
    if (most->first == 0 || 2 * most->second.size() <= static_cast<std::size_t>(topology_.ranks())) return;
    for (const auto& [sum, ranks] : groups) {
      if (sum >= most->first) continue;
      std::vector<std::string> names;
      for (const auto rank : ranks) names.push_back(topology_.node(topology_.node_of(rank)).name);
      const auto has = sum == 0 ? fmt::format("no {}", word) : fmt::format("{} of {} in one direction", rate(sum), word);
      found_.push_back(
          {fmt::format("{} {} {} where the others have {}", short_names(names), names.size() > 1 ? "have" : "has", has, rate(most->first)), ask,
           sum == 0 ? joined(ranks, most->second.front(), kind) : widened(ranks, kind, sum, most->first)});
    }
  }

  // The machine with these GPUs' links as wide as the others', both ways.
  std::optional<Topology> widened(const std::vector<Rank>& ranks, LinkKind kind, std::int64_t now, std::int64_t then) const {
    return changed([&](Link& link) {
      if (!counts(link, kind)) return;
      for (const auto rank : ranks) {
        if (link.from != topology_.node_of(rank) && link.to != topology_.node_of(rank)) continue;
        const auto scaled = static_cast<double>(link.bandwidth.bytes_per_second()) * static_cast<double>(then) / static_cast<double>(now);
        link.bandwidth = Bandwidth::bytes_per_second(static_cast<std::int64_t>(scaled + 0.5));
        return;
      }
    });
  }

  // The machine with these GPUs at the switches of `other`; none where that has links to GPUs.
  std::optional<Topology> joined(const std::vector<Rank>& ranks, Rank other, LinkKind kind) const {
    std::vector<Link> more;
    const auto like = topology_.node_of(other);
    for (const auto& link : topology_.links()) {
      if (!counts(link, kind) || (link.from != like && link.to != like)) continue;
      if (topology_.node(link.from == like ? link.to : link.from).kind != NodeKind::nvswitch) return std::nullopt;
      for (const auto rank : ranks) {
        auto copy = link;
        (copy.from == like ? copy.from : copy.to) = topology_.node_of(rank);
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

  const Topology& topology_;
  std::vector<Oddity> found_;
};

}  // namespace

std::vector<Oddity> find_oddities(const Topology& topology) { return OddityFinder(topology).run(); }

}  // namespace p2plab
