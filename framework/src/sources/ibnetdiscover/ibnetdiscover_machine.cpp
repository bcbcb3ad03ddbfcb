// SPDX-License-Identifier: Apache-2.0
// A fabric and a server to a machine: each host of the fabric is such a server, its adapters are shared out among its GPUs as presets share them.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <set>

#include <fmt/format.h>

#include "p2plab/detail/text.h"
#include "p2plab/machine/presets.h"
#include "p2plab/machine/topology_import.h"
#include "sources/ibnetdiscover/ibnetdiscover.h"
#include "sources/tables/link_rates.h"

namespace p2plab {

namespace {

// "node01" of "node01 mlx5_0" and "node01 HCA-1": what the kernel and rdma-ndd call an adapter. None of what firmware is called.
struct AdapterName {
  std::string host;
  std::string device;
  int number = 0;
};

std::optional<AdapterName> adapter_name(const std::string& description) {
  const auto blank = description.find(' ');
  if (blank == std::string::npos || description.find(' ', blank + 1) != std::string::npos) return std::nullopt;
  AdapterName name{description.substr(0, blank), description.substr(blank + 1)};
  const auto digits = name.device.find_last_not_of("0123456789") + 1;
  if (digits == name.device.size() || digits == 0 || name.device.size() - digits > 4) return std::nullopt;
  name.number = std::stoi(name.device.substr(digits));
  return name;
}

// A switch with SHARP shows an adapter of its own.
bool aggregates(const IbNode& node) { return node.description.find("Aggregation Node") != std::string::npos; }

struct Adapter {
  std::size_t node = 0;
  std::string device;
  int number = 0;
  Bandwidth rate;  // of all its cables
};

class FabricMachine {
 public:
  FabricMachine(const IbFabric& fabric, const Topology& server, const std::string& filename)
      : fabric_(fabric),
        server_(server),
        filename_(filename),
        builder_(std::filesystem::path(filename).stem().string()),
        switches_(fabric.nodes.size()) {}

  Result<Imported> run() {
    find_hosts();
    if (hosts_.empty())
      return Error{ErrorCode::invalid_input,
                   "no adapter's description names its host, so servers cannot be told apart",
                   SourceLocation{filename_},
                   {"descriptions such as 'node01 mlx5_0' are set by rdma-ndd on each host"}};
    if (auto fits = fits_into_a_machine(); !fits) return std::move(fits).error();
    add_switches();
    for (auto& [host, adapters] : hosts_) add_host(host, adapters);
    say_what_is_left_out();
    add_sources();
    auto topology = std::move(builder_).build();
    if (!topology) return std::move(topology).error();
    return Imported{*std::move(topology), std::move(warnings_)};
  }

 private:
  // Each host is a copy of the server: a small file and a large server would make a machine without end.
  Status fits_into_a_machine() const {
    constexpr std::size_t most_gpus = 1 << 14;
    constexpr std::size_t most_parts = std::size_t{1} << 20;
    const auto gpus = hosts_.size() * static_cast<std::size_t>(server_.ranks());
    const auto parts = hosts_.size() * (server_.nodes().size() + server_.links().size());
    if (gpus <= most_gpus && parts <= most_parts) return {};
    return Error{ErrorCode::unsupported,
                 fmt::format("{} hosts of {} GPUs, {} nodes and {} links each are more than a machine has: {} GPUs, {} nodes and links",
                             hosts_.size(), server_.ranks(), server_.nodes().size(), server_.links().size(), most_gpus, most_parts),
                 SourceLocation{filename_},
                 {}};
  }

  void find_hosts() {
    std::size_t nameless = 0;
    for (std::size_t n = 0; n < fabric_.nodes.size(); ++n) {
      const auto& node = fabric_.nodes[n];
      if (node.kind != IbNode::Kind::adapter || aggregates(node)) continue;
      const auto name = adapter_name(node.description);
      if (!name) {
        ++nameless;
        continue;
      }
      Adapter adapter{n, name->device, name->number, {}};
      for (const auto& port : node.ports) adapter.rate += port.rate;
      if (!node.ports.empty()) hosts_[name->host].push_back(std::move(adapter));
    }
    if (nameless > 0)
      warnings_.push_back(fmt::format("{} adapters are left out, whose descriptions do not name their hosts as in 'node01 mlx5_0'", nameless));
  }

  // By description where that is unique, and without blanks.
  void add_switches() {
    std::map<std::string, int> seen;
    for (const auto& node : fabric_.nodes) ++seen[node.description];
    for (std::size_t n = 0; n < fabric_.nodes.size(); ++n) {
      const auto& node = fabric_.nodes[n];
      if (node.kind == IbNode::Kind::adapter) continue;
      auto name = !node.description.empty() && seen[node.description] == 1 ? node.description : node.id;
      std::ranges::replace(name, ' ', '_');
      switches_[n] = builder_.add_node({.name = name, .kind = NodeKind::network_switch});
    }
    for (std::size_t n = 0; n < fabric_.nodes.size(); ++n) {
      if (!switches_[n]) continue;
      // Cables between two switches carry what their traffic is spread over.
      std::map<std::size_t, Bandwidth> cables;
      for (const auto& port : fabric_.nodes[n].ports) {
        if (port.peer > n && switches_[port.peer]) cables[port.peer] += port.rate;
      }
      for (const auto& [peer, rate] : cables) builder_.add_duplex(*switches_[n], *switches_[peer], LinkKind::network, rate, network_latency);
    }
  }

  // The fastest adapters are those of GPUs; of equals the first by their numbers.
  std::vector<Adapter> of_gpus(const std::string& host, std::vector<Adapter> adapters) {
    const auto gpus = static_cast<std::size_t>(server_.ranks());
    std::ranges::stable_sort(adapters, {}, &Adapter::number);
    if (adapters.size() > gpus) {
      std::ranges::stable_sort(adapters, std::greater<>{}, &Adapter::rate);
      std::string left;
      for (auto a = gpus; a < adapters.size(); ++a) left += (left.empty() ? "" : ", ") + adapters[a].device;
      left_out_[left].push_back(host);
      adapters.resize(gpus);
      std::ranges::stable_sort(adapters, {}, &Adapter::number);
    }
    return adapters;
  }

  // Once for all hosts that are alike.
  void say_what_is_left_out() {
    for (const auto& [devices, hosts] : left_out_) {
      const auto who = hosts.size() == 1 ? hosts.front() + " has" : fmt::format("{} and {} more have", hosts.front(), hosts.size() - 1);
      warnings_.push_back(fmt::format("{} more adapters than {} GPUs: {} are taken for storage and left out", who, server_.ranks(), devices));
    }
  }

  void add_host(const std::string& host, const std::vector<Adapter>& all) {
    const auto adapters = of_gpus(host, all);
    std::vector<NodeId> nodes;
    std::vector<NodeId> gpus;
    for (const auto& node : server_.nodes()) {
      auto own = node;
      own.name = host + "." + node.name;
      nodes.push_back(builder_.add_node(own));
      if (node.kind == NodeKind::gpu) gpus.push_back(nodes.back());
    }
    auto& links = links_.emplace_back();
    for (auto link : server_.links()) {
      link.from = nodes[link.from.index()];
      link.to = nodes[link.to.index()];
      links.push_back(builder_.add_link(link));
    }
    for (const auto& group : server_.groups()) {
      LinkGroup own{host + "." + group.name, group.bandwidth, {}, group.of};
      for (const auto link : group.links) own.links.push_back(links[link.index()]);
      builder_.add_group(std::move(own));
    }
    for (std::size_t a = 0; a < adapters.size(); ++a) add_adapter(host, adapters[a], a, adapters.size(), nodes, gpus);
  }

  // GPU i uses adapter i * adapters / GPUs, over the PCIe switch or host above it where the server has those, else directly.
  void add_adapter(const std::string& host, const Adapter& adapter, std::size_t index, std::size_t count, const std::vector<NodeId>& nodes,
                   const std::vector<NodeId>& gpus) {
    const auto nic = builder_.add_node({.name = host + "." + adapter.device, .kind = NodeKind::nic});
    for (const auto& port : fabric_.nodes[adapter.node].ports) {
      if (switches_[port.peer]) builder_.add_duplex(nic, *switches_[port.peer], LinkKind::network, port.rate, network_latency);
    }
    std::set<NodeId> joined;
    for (std::size_t g = 0; g < gpus.size(); ++g) {
      if (g * count / gpus.size() != index) continue;
      const auto above = above_of(Rank{static_cast<std::int64_t>(g)});
      const auto at = above ? nodes[above->index()] : gpus[g];
      if (joined.insert(at).second) builder_.add_duplex(at, nic, LinkKind::pcie, adapter.rate, pcie_latency);
    }
  }

  std::optional<NodeId> above_of(Rank rank) const {
    for (const auto link : server_.out_links(server_.node_of(rank))) {
      const auto kind = server_.node(server_.link(link).to).kind;
      if (server_.link(link).kind == LinkKind::pcie && (kind == NodeKind::pcie_switch || kind == NodeKind::host)) return server_.link(link).to;
    }
    return std::nullopt;
  }

  // What is known of the server's numbers holds for each.
  void add_sources() {
    MachineSources sources{server_.sources().values, {}};
    for (auto& value : sources.values) {
      const auto one = std::exchange(value.links, {});
      for (const auto& links : links_) {
        for (const auto link : one) value.links.push_back(links[link.index()]);
      }
    }
    sources.values.push_back({"network", "width and speed of each cable", Origin::read, filename_});
    builder_.set_sources(std::move(sources));
  }

  const IbFabric& fabric_;
  const Topology& server_;
  const std::string& filename_;
  Topology::Builder builder_;
  std::map<std::string, std::vector<Adapter>> hosts_;
  std::vector<std::optional<NodeId>> switches_;               // by node of the fabric
  std::vector<std::vector<LinkId>> links_;                    // by host: by link of the server
  std::map<std::string, std::vector<std::string>> left_out_;  // by adapters: hosts
  std::vector<std::string> warnings_;
};

}  // namespace

Result<Imported> import_ibnetdiscover(std::string_view text, const std::string& filename, const MachineAnswers& answers) {
  const auto fabric = read_ibnetdiscover(text, filename);
  if (!fabric) return fabric.error();
  if (answers.server.empty())
    return Error{ErrorCode::invalid_input,
                 "a fabric does not tell which GPUs its hosts have",
                 SourceLocation{filename},
                 {"name a server by a preset or a file: --machine server=hgx-h100, or server: in a config"}};
  std::vector<std::string> warnings;
  auto server = resolve_topology(answers.server, &warnings);
  if (!server) return std::move(server).error();
  auto machine = FabricMachine{*fabric, *server, filename}.run();
  if (machine) machine->warnings.insert(machine->warnings.begin(), warnings.begin(), warnings.end());
  return machine;
}

Result<Imported> load_ibnetdiscover(const std::string& path, const MachineAnswers& answers) {
  auto text = read_text_file(path, 16_MiB);
  if (!text) return std::move(text).error();
  return import_ibnetdiscover(*text, path, answers);
}

}  // namespace p2plab
