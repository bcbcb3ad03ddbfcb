// SPDX-License-Identifier: Apache-2.0
// Servers whose GPUs all hang on NVSwitch, one or several of them behind a network. All NVSwitch chips of a server are one node: each GPU spreads its
// links over all of them, so only the port of a GPU can be a bottleneck. NVLink per GPU and direction, nominal: V100 6 x 25 = 150, A100 12 x 25 =
// 300, H100 and H200 18 x 25 = 450, B200 18 x 50 = 900 GB/s (NVIDIA's product pages; nvidia-smi shows NV6, NV12, NV18, NV18). NICs, one a GPU: A100
// 25 GB/s (HDR), later servers 50 GB/s (400 Gb/s); DGX-2 has 8 x 12.5 GB/s, one for two GPUs. ForestColl's A100 model (even and odd NICs on two
// switches) is network=rail,rails=2. Latency of a link: see tables/link_rates.h. PCIe: one switch for two GPUs and their NICs, two sockets; effective
// 12 / 24 / 48 GB/s for gen 3 / 4 / 5, socket link by generation (nccl, topo.h).
#include <tuple>

#include <fmt/format.h>

#include "p2plab/machine/presets.h"
#include "sources/presets/values.h"

namespace p2plab::presets {

namespace {

struct Model {
  std::string_view word;
  int gpus;
  double nvlink;  // GB/s per GPU and direction
  int compute_capability;
  int nics;
  double nic;   // GB/s
  double pcie;  // GB/s
  double upi;   // GB/s
};

constexpr Model v100{"v100", 16, 150, 70, 8, 12.5, 12, 10};
constexpr Model a100{"a100", 8, 300, 80, 8, 25, 24, 16};
constexpr Model h100{"h100", 8, 450, 90, 8, 50, 48, 22};
constexpr Model h200{"h200", 8, 450, 90, 8, 50, 48, 22};
constexpr Model b200{"b200", 8, 900, 100, 8, 50, 48, 22};
constexpr Model gb200{"gb200", 72, 900, 100, 72, 50, 48, 22};

struct Request {
  Model model{};
  std::vector<int> gpus;
  int nodes = 1;
  int nics = 1;
  bool rail = false;
  int rails = 1;
  bool tree = false;
  int leaf = 1;      // servers below one
  double taper = 1;  // what comes from below over what goes up
  Bandwidth nic;
  Bandwidth nvlink;
  Seconds latency{0};
  bool pcie = false;
};

// Adds the servers one after another, then what joins them.
class Cluster {
 public:
  Cluster(const std::string& name, Request request) : request_(std::move(request)), builder_(name) {}

  Result<Topology> build() && {
    if (request_.nodes > 1) {
      const int leaves = (request_.nodes + request_.leaf - 1) / request_.leaf;
      const int switches = request_.rail ? request_.rails : request_.tree ? leaves : 1;
      for (int i = 0; i < switches; ++i) network_.push_back(builder_.add_node({fmt::format("net{}", i), NodeKind::network_switch}));
      if (request_.tree && leaves > 1) add_spine();
    }
    for (int server = 0; server < request_.nodes; ++server) add_server(server);
    return std::move(builder_).build();
  }

 private:
  // The spines of a tree are one: traffic is spread over them.
  void add_spine() {
    const auto spine = builder_.add_node({"spine", NodeKind::network_switch});
    for (std::size_t l = 0; l < network_.size(); ++l) {
      const auto servers = std::min(request_.leaf, request_.nodes - static_cast<int>(l) * request_.leaf);
      const auto below = static_cast<double>(servers * request_.nics) * request_.nic.gbps();
      builder_.add_duplex(network_[l], spine, LinkKind::network, GBps(below / request_.taper), network_latency);
    }
  }

  void add_server(int server) {
    std::vector<NodeId> gpus;
    const auto first = static_cast<std::size_t>(server) * request_.gpus.size();
    const bool numbered = request_.nodes > 1;  // in one server a GPU keeps the number that the machine gives it
    for (std::size_t i = 0; i < request_.gpus.size(); ++i) {
      const auto number = numbered ? first + i : static_cast<std::size_t>(request_.gpus[i]);
      gpus.push_back(builder_.add_node({fmt::format("gpu{}", number), NodeKind::gpu}));
    }
    const auto nvswitch = builder_.add_node({fmt::format("nvswitch{}", server), NodeKind::nvswitch});
    for (const auto gpu : gpus) builder_.add_duplex(gpu, nvswitch, LinkKind::nvlink, request_.nvlink, request_.latency);
    const auto ports = request_.pcie ? add_pcie(server, gpus) : std::vector<NodeId>{};
    if (request_.nodes > 1) add_nics(server, gpus, ports);
  }

  // The PCIe switch of each GPU.
  std::vector<NodeId> add_pcie(int server, const std::vector<NodeId>& gpus) {
    std::vector<NodeId> sockets;
    for (int s = 0; s < 2; ++s) sockets.push_back(builder_.add_node({fmt::format("socket{}", 2 * server + s), NodeKind::host}));
    const auto width = GBps(request_.model.pcie);
    std::vector<NodeId> ports(gpus.size());
    std::vector<std::optional<NodeId>> switches(static_cast<std::size_t>(request_.model.gpus + 1) / 2);
    for (std::size_t i = 0; i < gpus.size(); ++i) {
      const auto place = static_cast<std::size_t>(request_.gpus[i]) / 2;
      if (!switches[place]) {
        switches[place] =
            builder_.add_node({fmt::format("pcie{}", switches.size() * static_cast<std::size_t>(server) + place), NodeKind::pcie_switch});
        builder_.add_duplex(*switches[place], sockets[2 * place / switches.size()], LinkKind::pcie, width, pcie_latency);
      }
      ports[i] = *switches[place];
      builder_.add_duplex(gpus[i], ports[i], LinkKind::pcie, width, pcie_latency);
    }
    builder_.add_duplex(sockets[0], sockets[1], LinkKind::upi, GBps(request_.model.upi), default_latency(LinkKind::upi));
    return ports;
  }

  // GPU i uses NIC i * nics / gpus, over its PCIe switch if the machine has those, else directly at the NIC's own speed.
  void add_nics(int server, const std::vector<NodeId>& gpus, const std::vector<NodeId>& ports) {
    std::vector<NodeId> nics;
    for (int i = 0; i < request_.nics; ++i) {
      nics.push_back(builder_.add_node({fmt::format("nic{}", server * request_.nics + i), NodeKind::nic}));
      const auto at = request_.tree ? server / request_.leaf : i;
      builder_.add_duplex(nics.back(), network_[static_cast<std::size_t>(at) % network_.size()], LinkKind::network, request_.nic, network_latency);
    }
    std::vector<bool> joined(nics.size());
    for (std::size_t i = 0; i < gpus.size(); ++i) {
      const auto nic = i * nics.size() / gpus.size();
      if (request_.pcie && joined[nic]) continue;
      joined[nic] = true;
      builder_.add_duplex(request_.pcie ? ports[i] : gpus[i], nics[nic], LinkKind::pcie, request_.nic, pcie_latency);
    }
  }

  Request request_;
  Topology::Builder builder_;
  std::vector<NodeId> network_;
};

Result<Topology> make(const std::string& name, const Model& model, const Parameters& parameters) {
  Values values(parameters);
  Request request;
  request.model = model;
  request.gpus = values.selection("gpus", model.gpus);
  const int gpus = static_cast<int>(request.gpus.size());
  request.nodes = values.integer("nodes", 1, 512);
  request.nvlink = values.bandwidth("bandwidth");
  request.latency = values.latency("latency");
  request.pcie = parameters.contains("pcie") && values.on("pcie");  // a rack of NVL72 has no such tree
  const auto whole_server = std::max(1, gpus * model.nics / model.gpus);
  request.nics = parameters.at("nics") == "auto" ? whole_server : values.integer("nics", 1, gpus);
  request.nic = values.network("nic");
  const auto network = values.word("network", {"flat", "rail", "tree"});
  request.rail = network == "rail";
  request.tree = network == "tree";
  request.leaf = values.integer("leaf", 1, 512);
  request.taper = values.number("taper", 1, 64);
  request.rails = parameters.at("rails") == "auto" ? request.nics : values.integer("rails", 1, request.nics);
  // What changes nothing would be taken for what was measured with it.
  for (const auto& [parameter, usual, of] : {std::tuple{"leaf", "4", "tree"}, std::tuple{"taper", "1", "tree"}, std::tuple{"rails", "auto", "rail"}})
    if (parameters.at(parameter) != usual && network != of)
      values.fail(parameter, fmt::format("only network={} has it; this one is {}", of, network));
  if (request.nodes * gpus > most_gpus) values.fail("nodes", fmt::format("{} servers of {} GPUs are more than {}", request.nodes, gpus, most_gpus));
  if (auto ok = values.status(); !ok) return std::move(ok).error();
  return Cluster(name, std::move(request)).build();
}

Preset preset(const std::string& name, const std::string& summary, const Model& model) {
  std::vector<ParameterInfo> known{
      {"gpus", "in each server: how many, or which", fmt::format("{}", model.gpus)},
      {"nodes", "how many servers; more than one are joined by a network", "1"},
      {"bandwidth", "NVLink of one GPU, in each direction", fmt::format("{} GB/s", model.nvlink)},
      {"latency", "of one link between GPU and NVSwitch", fmt::format("{:.0f} ns", nvswitch_latency(model.compute_capability).count() * 1e9)},
      {"network", "flat: one switch joins all NICs; rail: one switch for the NICs of each rail; tree: leaves and a spine", "flat"},
      {"rails", "how many rails; NIC i is on rail i modulo this; auto: one a NIC", "auto"},
      {"nics", "in each server; auto: as the full machine has for these GPUs", "auto"},
      {"leaf", "of a tree: servers on one leaf switch", "4"},
      {"taper", "of a tree: bandwidth into a leaf from below over that to the spine", "1"},
      {"nic", "bandwidth of one NIC, in each direction, or edr, hdr, ndr, xdr, roce100 to roce800", fmt::format("{} GB/s", model.nic)}};
  if (model.gpus <= 16) known.push_back({"pcie", "on: with PCIe switches and sockets; off: without", "off"});
  return {name, summary, std::move(known), [=](const Parameters& parameters) { return make(name, model, parameters); }};
}

}  // namespace

std::vector<Preset> nvswitch() {
  return {preset("dgx-2", "16 V100 on NVSwitch, 150 GB/s a GPU", v100),
          preset("dgx-a100", "8 A100 on NVSwitch, 300 GB/s a GPU", a100),
          preset("dgx-h100", "8 H100 on NVSwitch, 450 GB/s a GPU", h100),
          preset("dgx-h200", "8 H200 on NVSwitch, 450 GB/s a GPU", h200),
          preset("dgx-b200", "8 B200 on NVSwitch, 900 GB/s a GPU", b200),
          preset("hgx-a100", "up to 8 A100 on NVSwitch, in one server or several", a100),
          preset("hgx-h100", "up to 8 H100 on NVSwitch, in one server or several", h100),
          preset("hgx-h200", "up to 8 H200 on NVSwitch, in one server or several", h200),
          preset("hgx-b200", "up to 8 B200 on NVSwitch, in one server or several", b200),
          preset("nvl72", "up to 72 B200 of a GB200 NVL72 rack on NVSwitch, 900 GB/s a GPU", gb200)};
}

}  // namespace p2plab::presets
