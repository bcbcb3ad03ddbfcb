// SPDX-License-Identifier: Apache-2.0
// An InfraGraph to a machine: what its components are, and how fast its links.
#include <algorithm>
#include <array>
#include <filesystem>
#include <map>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"
#include "p2plab/detail/text.h"
#include "p2plab/machine/gpu_kind.h"
#include "p2plab/machine/presets.h"
#include "p2plab/machine/topology_import.h"
#include "sources/infragraph/infragraph.h"
#include "sources/source_list.h"

namespace p2plab {

namespace {

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

// Words of names and descriptions of links; the first that occurs decides.
constexpr std::array link_kinds{std::pair{"nvl", LinkKind::nvlink},
                                std::pair{"nvlink", LinkKind::nvlink},
                                std::pair{"c2c", LinkKind::nvlink},
                                std::pair{"pci", LinkKind::pcie},
                                std::pair{"qpi", LinkKind::upi},
                                std::pair{"upi", LinkKind::upi},
                                std::pair{"host_memory", LinkKind::host_memory},
                                std::pair{"network", LinkKind::network},
                                std::pair{"eth", LinkKind::network},
                                std::pair{"infiniband", LinkKind::network},
                                std::pair{"roce", LinkKind::network},
                                std::pair{"scale_out", LinkKind::network}};

// Names that our own export gives components.
constexpr std::array components{std::pair{"nvswitch", NodeKind::nvswitch}, std::pair{"pcie_switch", NodeKind::pcie_switch},
                                std::pair{"network_switch", NodeKind::network_switch}, std::pair{"forwarding_host", NodeKind::host}};

class InfraMachine {
 public:
  InfraMachine(const InfraGraph& graph, const std::string& filename, const MachineAnswers& answers)
      : graph_(graph), filename_(filename), answers_(answers), builder_(name()), nodes_(graph.nodes.size()), warnings_(graph.warnings) {}

  Result<Imported> run() {
    find_kinds();
    add_nodes();
    if (ranks_ == 0) return Error{ErrorCode::invalid_input, "no component is an xpu, so there is no GPU", SourceLocation{filename_}};
    for (const auto& edge : graph_.edges) {
      if (auto added = add_edge(edge); !added) return std::move(added).error();
    }
    if (const auto named = gpu_source(answers_.gpu, Origin::read, "--machine gpu")) values_.push_back(*named);
    builder_.set_sources({values_, {}});
    auto topology = std::move(builder_).build();
    if (!topology) return std::move(topology).error();
    auto left = answers_;  // what is not used up here is answered as on any graph
    left.nvlink = Bandwidth{};
    if (transfers_) left.pcie_width = 0;
    left.gpu.clear();
    auto machine = answered(*topology, left);
    if (!machine) return std::move(machine).error();
    for (auto& sentence : sentences_of(machine->sources().values)) warnings_.push_back(std::move(sentence));
    return Imported{*std::move(machine), std::move(warnings_)};
  }

 private:
  std::string name() const { return graph_.name.empty() ? std::filesystem::path{filename_}.stem().string() : graph_.name; }
  bool is(std::size_t node, std::string_view type) const { return graph_.nodes[node].type == type; }

  LinkKind kind_of(const InfraEdge& edge) const {
    if (is(edge.a, "cpu") && is(edge.b, "cpu")) return LinkKind::upi;
    const auto& link = graph_.links[edge.link];
    for (const auto& text : {lower(link.name), lower(link.description)}) {
      for (const auto& [word, kind] : link_kinds) {
        if (text.find(word) != std::string::npos) return kind;
      }
    }
    return LinkKind::other;
  }

  // What switches, ports and parts of other kinds are follows from their links.
  void find_kinds() {
    seen_.assign(graph_.nodes.size(), {});
    for (const auto& edge : graph_.edges) {
      const auto kind = kind_of(edge);
      link_kinds_.push_back(kind);
      for (const auto end : {edge.a, edge.b}) ++seen_[end][kind];
    }
  }

  NodeKind node_kind(std::size_t i) const {
    for (const auto& [word, kind] : components) {
      if (graph_.nodes[i].component == word) return kind;
    }
    if (is(i, "xpu")) return NodeKind::gpu;
    if (is(i, "cpu")) return NodeKind::host;
    if (is(i, "nic")) return NodeKind::nic;
    if (seen_[i].contains(LinkKind::nvlink)) return NodeKind::nvswitch;
    return seen_[i].size() == 1 && seen_[i].contains(LinkKind::pcie) ? NodeKind::pcie_switch : NodeKind::network_switch;
  }

  // "gpu3", "cpu0" of a single device; else with the path.
  std::string node_name(std::size_t i, NodeKind kind) const {
    if (!graph_.one_device) return graph_.nodes[i].name;
    if (kind == NodeKind::gpu) return fmt::format("gpu{}", ranks_);
    auto name = graph_.nodes[i].name;
    for (int dots = 0; dots < 2; ++dots) name.erase(0, name.find('.') + 1);
    if (std::ranges::count(name, '.') == 1) name.erase(name.find('.'), 1);
    return name;
  }

  void add_nodes() {
    std::size_t memories = 0;
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (is(i, "memory")) {
        ++memories;
        continue;
      }
      const auto kind = node_kind(i);
      const bool forwards = graph_.nodes[i].component == "forwarding_host";
      nodes_[i] = builder_.add_node({.name = node_name(i, kind), .kind = kind, .forwards_peers = forwards});
      ranks_ += kind == NodeKind::gpu ? 1 : 0;
    }
    if (memories > 0) warnings_.push_back(fmt::format("{} memories are left out: no transfer passes them", memories));
  }

  Status add_edge(const InfraEdge& edge) {
    if (is(edge.a, "memory") || is(edge.b, "memory")) return {};
    const auto kind = link_kinds_[static_cast<std::size_t>(&edge - graph_.edges.data())];
    auto rate = rate_of(edge, kind);
    if (!rate) return std::move(rate).error();
    const auto& link = graph_.links[edge.link];
    const auto latency = link.latency.value_or(default_latency(kind));
    const auto a = *nodes_[edge.a];
    const auto b = *nodes_[edge.b];
    const std::vector<LinkId> both{builder_.add_link({a, b, kind, rate->rate, latency}), builder_.add_link({b, a, kind, rate->rate, latency})};
    const auto word = kind == LinkKind::upi ? "socket link" : kind == LinkKind::pcie ? "PCIe" : "link";
    note({.what = fmt::format("{} {} of {} and {}", word, p2plab::quoted(link.name), graph_.nodes[edge.a].component, graph_.nodes[edge.b].component),
          .value = fmt::format("{:.6g} GB/s", rate->rate.gbps()),
          .origin = rate->origin,
          .source = rate->source,
          .key = rate->key,
          .least = rate->least,
          .most = rate->most,
          .links = both});
    if (!link.latency)
      note({.what = fmt::format("latency of link {}", p2plab::quoted(link.name)),
            .value = to_string(latency),
            .origin = Origin::assumed,
            .source = "the file tells none, a typical figure"});
    return {};
  }

  // Once for all edges that are alike.
  void note(SourcedValue value) {
    const auto same = std::ranges::find_if(values_, [&](const SourcedValue& one) { return one.what == value.what && one.value == value.value; });
    if (same == values_.end()) return values_.push_back(std::move(value));
    same->links.insert(same->links.end(), value.links.begin(), value.links.end());
  }

  Result<Sourced> rate_of(const InfraEdge& edge, LinkKind kind) {
    const auto& link = graph_.links[edge.link];
    if (link.bandwidth > Bandwidth{}) return Sourced{link.bandwidth, Origin::read, filename_ + ", taken for each direction"};
    if (link.gigatransfers > 0) return by_transfers(link);
    const auto* model = known_gpu_model(answers_.gpu);
    if (kind == LinkKind::pcie && model != nullptr && (is(edge.a, "xpu") || is(edge.b, "xpu")))
      return Sourced{pcie_rate(*model), Origin::known, fmt::format("table of GPUs: {}", model->title)};
    if (kind == LinkKind::pcie)
      return Sourced{*pcie_rate(8, 16), Origin::assumed,   "no bandwidth is told, 8 GT/s and 16 lanes as in NCCL", "pcie",
                     *pcie_rate(8, 8),  *pcie_rate(32, 16)};
    if (kind == LinkKind::upi)
      return Sourced{GBps(24), Origin::assumed, "no bandwidth is told, as between AMD EPYC 7003 (Zen 3)", "socket_link", GBps(6), GBps(256)};
    if (kind == LinkKind::network) return Sourced{GBps(25), Origin::assumed, "no bandwidth is told, 200 Gb/s", "nic", GBps(1.25), GBps(100)};
    if (answers_.nvlink > Bandwidth{}) return Sourced{answers_.nvlink, Origin::read, "--machine nvlink"};
    if (model != nullptr && model->links > 0) {
      const auto gpu = is(edge.a, "xpu") ? edge.a : edge.b;
      const auto edges = seen_[gpu].at(kind);
      return Sourced{GBps(model->links * model->link / edges), Origin::known,
                     fmt::format("table of GPUs: {}, its {} links over {} edges", model->title, model->links, edges)};
    }
    return Error{
        ErrorCode::invalid_input,
        fmt::format("link {} has no bandwidth", p2plab::quoted(link.name)),
        SourceLocation{filename_},
        {"physical: {bandwidth: {choice: gigabytes_per_second, gigabytes_per_second: 25}} tells it, or name the GPU (--machine gpu=a100) or the "
         "rate (--machine nvlink=50)"}};
  }

  Result<Sourced> by_transfers(const InfraLink& link) {
    transfers_ = true;
    const bool answered = answers_.pcie_width > 0;
    const auto lanes = answered ? answers_.pcie_width : 16;
    const auto rate = pcie_rate(link.gigatransfers, lanes);
    if (!rate)
      return Error{ErrorCode::invalid_input,
                   fmt::format("link {}: {} GT/s are no speed of PCIe", p2plab::quoted(link.name), link.gigatransfers),
                   SourceLocation{filename_},
                   {"other links give gigabytes_per_second or gigabits_per_second"}};
    if (answered) return Sourced{*rate, Origin::read, filename_ + ", --machine pcie_width"};
    return Sourced{*rate, Origin::assumed, "transfers of one lane are told, not how many lanes: 16", "pcie_width", *pcie_rate(link.gigatransfers, 1),
                   *rate};
  }

  const InfraGraph& graph_;
  const std::string& filename_;
  const MachineAnswers& answers_;
  Topology::Builder builder_;
  std::vector<std::optional<NodeId>> nodes_;
  std::vector<std::map<LinkKind, int>> seen_;  // by node: its edges of each kind
  std::vector<LinkKind> link_kinds_;           // by edge
  int ranks_ = 0;
  bool transfers_ = false;
  std::vector<SourcedValue> values_;
  std::vector<std::string> warnings_;
};

Result<Imported> imported(const ConfigFile& file, const std::string& filename, const MachineAnswers& answers) {
  if (!is_infragraph(file.root()))
    return Error{ErrorCode::invalid_input, "this is no InfraGraph: it has no devices and instances", SourceLocation{filename}};
  const auto graph = read_infragraph(file.root());
  if (auto ok = file.status(); !ok) return std::move(ok).error();
  return InfraMachine{*graph, filename, answers}.run();
}

}  // namespace

Result<Imported> import_infragraph(std::string_view text, const std::string& filename, const MachineAnswers& answers) {
  const auto file = ConfigFile::parse(text, filename);
  return file ? imported(*file, filename, answers) : file.error();
}

Result<Imported> load_infragraph(const std::string& path, const MachineAnswers& answers) {
  const auto file = ConfigFile::load(path);
  return file ? imported(*file, path, answers) : file.error();
}

bool is_infragraph_file(const std::string& path) {
  const auto text = read_text_file(path, longest_config);
  if (!text || text->find("instances") == std::string::npos || text->find("devices") == std::string::npos) return false;
  const auto file = ConfigFile::parse(*text, path);
  return file && is_infragraph(file->root());
}

}  // namespace p2plab
