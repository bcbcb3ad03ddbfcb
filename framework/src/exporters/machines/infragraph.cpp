// SPDX-License-Identifier: Apache-2.0
// InfraGraph's infrastructure (Keysight; ASTRA-sim 3): one device with the machine's parts as components, one instance of it.
#include <algorithm>
#include <array>
#include <map>
#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "p2plab/base/registry.h"
#include "p2plab/program/exporter.h"

namespace p2plab {

namespace {

using Json = nlohmann::ordered_json;

// InfraGraph's own words for parts; the names are ours, by which import knows them again.
struct Part {
  std::string name;
  std::string choice;
};

Part part_of(const Node& node) {
  switch (node.kind) {
    case NodeKind::gpu: return {"gpu", "xpu"};
    case NodeKind::nvswitch: return {"nvswitch", "switch"};
    case NodeKind::pcie_switch: return {"pcie_switch", "switch"};
    case NodeKind::host: return {node.forwards_peers ? "forwarding_host" : "host", "cpu"};
    case NodeKind::nic: return {"nic", "nic"};
    case NodeKind::network_switch: break;
  }
  return {"network_switch", "switch"};
}

// Names hold letters, digits, blanks and -_()<>[].
std::string allowed(std::string name) {
  std::ranges::replace_if(
      name, [](char c) { return !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_'); }, '-');
  return name;
}

class InfraWriter {
 public:
  explicit InfraWriter(const Topology& topology) : topology_(topology) {}

  std::string run() {
    std::map<std::string, int> counts;
    auto components = Json::array();
    for (const auto& node : topology_.nodes()) {
      const auto part = part_of(node);
      ends_.push_back(fmt::format("{}[{}]", part.name, counts[part.name]++));
      if (counts[part.name] == 1) components.push_back({{"name", part.name}, {"count", 0}, {"choice", part.choice}});
    }
    for (auto& component : components) component["count"] = counts[component["name"].get<std::string>()];
    auto edges = Json::array();
    for (const auto& [ends, sum] : pairs()) {
      const auto name = link_name(sum);
      edges.push_back(
          {{"ep1", {{"component", ends_[ends.first]}}}, {"ep2", {{"component", ends_[ends.second]}}}, {"scheme", "one2one"}, {"link", name}});
    }
    const Json device{{"name", "server"}, {"components", components}, {"links", links_}, {"edges", edges}};
    const Json machine{{"name", allowed(topology_.name())},
                       {"description", "made by p2plab; bandwidths are those of each direction"},
                       {"devices", Json::array({device})},
                       {"instances", Json::array({{{"name", "machine"}, {"device", "server"}, {"count", 1}}})}};
    return machine.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  }

  // An edge has no direction and is the only one between its ends; no link shares a budget with others.
  Status supports() const {
    const auto refuse = [](const std::string& what) -> Status { return Error{ErrorCode::unsupported, "InfraGraph: " + what}; };
    if (!topology_.groups().empty()) return refuse(fmt::format("it has no budgets that links share, as group '{}'", topology_.groups().front().name));
    for (const auto& node : topology_.nodes()) {
      if (node.ingress || node.egress || node.memory || node.root_complex)
        return refuse(fmt::format("it has no budgets of components, as of {}", node.name));
    }
    for (const auto& [ends, sum] : pairs()) {
      if (sum.there != sum.back)
        return refuse(fmt::format("its edges have no direction, but {} and {} send unequally",
                                  topology_.node(NodeId{static_cast<std::int64_t>(ends.first)}).name,
                                  topology_.node(NodeId{static_cast<std::int64_t>(ends.second)}).name));
    }
    return {};
  }

 private:
  // All links between two nodes together.
  struct Sum {
    Bandwidth there{};
    Bandwidth back{};
    LinkKind kind = LinkKind::other;
    Seconds latency{0};
  };

  std::map<std::pair<std::size_t, std::size_t>, Sum> pairs() const {
    std::map<std::pair<std::size_t, std::size_t>, Sum> all;
    for (const auto& link : topology_.links()) {
      const auto ends = std::minmax({link.from.index(), link.to.index()});
      auto [found, is_new] = all.try_emplace(std::pair{ends.first, ends.second}, Sum{.kind = link.kind, .latency = link.latency});
      auto& rate = link.from.index() == ends.first ? found->second.there : found->second.back;
      rate = Bandwidth::bytes_per_second(rate.bytes_per_second() + link.bandwidth.bytes_per_second());
      if (link.latency < found->second.latency) found->second.latency = link.latency;
    }
    return all;
  }

  std::string link_name(const Sum& sum) {
    const auto key = std::tuple{sum.kind, sum.there.bytes_per_second(), sum.latency.count()};
    const auto [found, is_new] = names_.try_emplace(key, fmt::format("{}_{}", to_string(sum.kind), names_.size()));
    if (is_new) {
      links_.push_back({{"name", found->second},
                        {"physical",
                         {{"bandwidth", {{"choice", "gigabytes_per_second"}, {"gigabytes_per_second", sum.there.gbps()}}},
                          {"latency", {{"choice", "ns"}, {"ns", sum.latency.count() * 1e9}}}}}});
    }
    return found->second;
  }

  const Topology& topology_;
  std::vector<std::string> ends_;  // by node
  Json links_ = Json::array();
  std::map<std::tuple<LinkKind, std::int64_t, double>, std::string> names_;
};

class InfraGraphExporter final : public Exporter {
 public:
  Status supports(const ExportJob& job) const override { return InfraWriter{*job.topology}.supports(); }
  Result<std::vector<ExportedFile>> write(const ExportJob& job) const override {
    if (auto can = supports(job); !can) return std::move(can).error();
    return std::vector<ExportedFile>{{"", InfraWriter{*job.topology}.run()}};
  }
  Result<std::vector<ExportedFile>> write_table(std::span<const ExportJob> jobs) const override { return write(jobs.front()); }
  std::string extension() const override { return ".json"; }
  std::string how_to_load(const std::string& files) const override { return "InfraGraph: the text of " + files + " for InfraGraphService.set_graph"; }
};

}  // namespace

namespace exporters {
Entry<Exporter> infragraph() {
  return {
      "infragraph", "the plan's machine as InfraGraph, for ASTRA-sim 3 (JSON; one file)", {}, [] { return std::make_unique<InfraGraphExporter>(); }};
}
}  // namespace exporters

}  // namespace p2plab
