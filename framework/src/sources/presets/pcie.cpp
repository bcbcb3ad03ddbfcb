// SPDX-License-Identifier: Apache-2.0
// Servers with GPUs on PCIe: GPUs on switches or straight on the sockets' roots, and NVLink bridges between some of them.
// PCIe x16 per direction, effective: gen 3 12, gen 4 24, gen 5 48 GB/s (NVIDIA/nccl, src/graph/topo.h); gen 6 twice that. Link between sockets, peer
// traffic: by the CPU where one is named (tables/cpu_models.cpp). A host node is a socket: its root and its memory.
// Bridges: pairs 56.25 GB/s (RTX 3090: 4 lanes of 14.0625, aikitoria/open-gpu-kernel-modules pull 18); quads 150 GB/s a pair (H200 NVL, 4-way bridge:
// 450 GB/s a GPU and direction over three neighbours, NVIDIA's product page). Latency: 360 ns a PCIe link (see tables/link_rates.h), 0.7 us a bridge.
#include <array>

#include <fmt/format.h>

#include "p2plab/machine/presets.h"
#include "sources/presets/values.h"
#include "sources/tables/cpu_models.h"
#include "sources/tables/switch_models.h"

namespace p2plab::presets {

namespace {

constexpr std::array<double, 4> pcie_rates{12, 24, 48, 96};  // GB/s by generation, from 3

struct Server {
  int gpus = 1;
  int switches = 0;
  int sockets = 1;
  int island = 1;  // GPUs joined by bridges, counted from the first
  Bandwidth pcie;
  Bandwidth uplink;
  Bandwidth upi;
  Bandwidth nvlink;
  Seconds latency{0};
  bool peers = false;  // do the sockets pass peer accesses on?
  SwitchModel model;
  std::optional<Bandwidth> memory;      // of a socket
  std::optional<Bandwidth> both;        // of a GPU's link, both directions together
  std::optional<Bandwidth> peer;        // of a GPU's link, for peer accesses
  std::optional<Bandwidth> host_loads;  // the same, for kernels' loads of host memory
  std::optional<Bandwidth> upi_both;    // between two sockets, both directions together
};

// The element of `into` parts that element `index` of `count` belongs to, in even runs.
std::size_t share(std::size_t index, std::size_t count, std::size_t into) { return index * into / count; }

// A link and its way back, and what both carry together, or each of some transfers only.
void add_shared(Topology::Builder& builder, Link link, const std::string& name, const std::optional<Bandwidth>& both,
                const std::vector<std::pair<Traffic, std::optional<Bandwidth>>>& parts) {
  const auto there = builder.add_link(link);
  std::swap(link.from, link.to);
  const auto back = builder.add_link(link);
  if (both) builder.add_group({name + " both ways", *both, {there, back}});
  for (const auto& [of, rate] : parts) {
    if (!rate) continue;
    builder.add_group({fmt::format("{} {} there", name, to_string(of)), *rate, {there}, of});
    builder.add_group({fmt::format("{} {} back", name, to_string(of)), *rate, {back}, of});
  }
}

Result<Topology> build(const std::string& name, const Server& server) {
  Topology::Builder builder(name);
  const auto gpus = add_gpus(builder, server.gpus);
  std::vector<NodeId> sockets;
  for (int i = 0; i < server.sockets; ++i) {
    sockets.push_back(
        builder.add_node({.name = fmt::format("socket{}", i), .kind = NodeKind::host, .forwards_peers = server.peers, .memory = server.memory}));
  }
  std::vector<NodeId> switches;
  const auto switch_count = static_cast<std::size_t>(server.switches);
  for (std::size_t i = 0; i < switch_count; ++i) {
    switches.push_back(builder.add_node({.name = fmt::format("pcie{}", i), .kind = NodeKind::pcie_switch, .switching = server.model}));
    builder.add_duplex(switches.back(), sockets[share(i, switch_count, sockets.size())], LinkKind::pcie, server.uplink, server.latency);
  }
  const auto& ports = switches.empty() ? sockets : switches;
  for (std::size_t i = 0; i < gpus.size(); ++i)
    add_shared(builder, {gpus[i], ports[share(i, gpus.size(), ports.size())], LinkKind::pcie, server.pcie, server.latency}, fmt::format("gpu{}", i),
               server.both, {{Traffic::peers, server.peer}, {Traffic::host_loads, server.host_loads}});
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    for (std::size_t j = i + 1; j < sockets.size(); ++j) {
      add_shared(builder, {sockets[i], sockets[j], LinkKind::upi, server.upi, default_latency(LinkKind::upi)}, fmt::format("sockets {} {}", i, j),
                 server.upi_both, {});
    }
  }
  const auto island = static_cast<std::size_t>(server.island);
  for (std::size_t i = 0; i < gpus.size(); ++i) {
    for (std::size_t j = i + 1; j < gpus.size() && j / island == i / island; ++j) {
      builder.add_duplex(gpus[i], gpus[j], LinkKind::nvlink, server.nvlink, direct_nvlink_latency);
    }
  }
  return std::move(builder).build();
}

// Between two sockets. A GPU's copy to one at another socket gets this share of what it gets from its neighbour, whatever joins the sockets: 18.6 of
// 24.2 GB/s (A100), 20 of 25 (RTX 4090), 22 of 26 (RTX A6000), 38 of 54 (RTX PRO 6000, EPYC 9374F), 51 of 56 (Turin).
constexpr double across_sockets = 0.8;

Bandwidth upi_rate(const std::string& cpu, Bandwidth pcie, Values& values) {
  if (cpu == "auto") return GBps(across_sockets * pcie.gbps());
  const auto known = find_cpu_generation(cpu);
  if (known) return GBps((*known)->rate);
  values.fail("cpu", known.error().message);
  return pcie;
}

Result<Topology> make(const std::string& name, int island, const Parameters& parameters) {
  Values values(parameters);
  Server server;
  server.island = island;
  server.gpus = values.integer("gpus", 1, 64);
  server.switches = values.integer("switches", 0, 64);
  server.sockets = values.integer("sockets", 1, 8);
  const auto generation = static_cast<std::size_t>(values.integer("gen", 3, 6)) - 3;
  server.pcie = values.bandwidth_or("pcie", GBps(pcie_rates[generation]));
  server.uplink = values.bandwidth_or("uplink", server.pcie);
  server.upi = values.bandwidth_or("upi", upi_rate(parameters.at("cpu"), server.pcie, values));
  if (island > 1) server.nvlink = values.bandwidth("nvlink");
  server.latency = values.latency("latency");
  server.peers = values.on("peers");
  server.memory = values.limit("memory");
  server.both = values.limit("both");
  server.peer = values.limit("peer");
  server.host_loads = values.limit("host_loads");
  server.upi_both = values.limit("upi_both");
  const auto model = values.word("switch", switch_names());
  if (const auto known = find_switch(model)) server.model = (*known)->model;
  if (auto ok = values.status(); !ok) return std::move(ok).error();
  if (server.switches > server.gpus) values.fail("switches", fmt::format("at most one a GPU, so {} at most, got {}", server.gpus, server.switches));
  if (server.switches > 0 && server.sockets > server.switches)
    values.fail("sockets", fmt::format("each needs a switch, so {} at most, got {}", server.switches, server.sockets));
  if (server.sockets > server.gpus) values.fail("sockets", fmt::format("at most one a GPU, so {} at most, got {}", server.gpus, server.sockets));
  if (auto ok = values.status(); !ok) return std::move(ok).error();
  return build(name, server);
}

struct Defaults {
  std::string gpus;
  std::string switches;
  std::string sockets;
  std::string gen;
};

Preset preset(const std::string& name, const std::string& summary, int island, const Defaults& defaults, const std::string& nvlink) {
  std::vector<ParameterInfo> known{
      {"gpus", "how many", defaults.gpus},
      {"switches", "PCIe switches, the GPUs evenly in order over them; 0: GPUs straight on the sockets", defaults.switches},
      {"sockets", "the switches or GPUs evenly in order over them", defaults.sockets},
      {"gen", "PCIe generation, x16: 3, 4, 5 or 6", defaults.gen},
      {"pcie", "of a GPU's PCIe link, in each direction; auto: by generation", "auto"},
      {"uplink", "from a switch to its socket, in each direction; auto: like a GPU's", "auto"},
      {"cpu", "what the sockets are, as in milan, turin, icelake", "auto"},
      {"upi", "between two sockets, in each direction; auto: by the CPU, else 0.8 of a GPU's", "auto"},
      {"latency", "of a PCIe link", "360 ns"},
      {"switch", "what the PCIe switches are, which says what they do where many send at once: pex890xx, switchtec, plain", "plain"},
      {"both", "of a GPU's link, both directions together", "none"},
      {"upi_both", "between two sockets, both directions together", "none"},
      {"memory", "a socket's memory, reads and writes together: data by way of it costs it twice", "none"},
      {"peer", "of a GPU's link in each direction, for peer accesses, where these are slower", "none"},
      {"host_loads", "of a GPU's link, for kernels that load host memory", "none"},
      {"peers", "on: sockets pass peer accesses on; off: data between their ports goes through their memory", "off"}};
  if (island > 1) known.push_back({"nvlink", "between two bridged GPUs, in each direction", nvlink});
  return {name, summary, std::move(known), [=](const Parameters& parameters) { return make(name, island, parameters); }};
}

}  // namespace

std::vector<Preset> pcie() {
  return {preset("pcie-server", "GPUs on PCIe switches under one or more sockets, no NVLink", 1, {"8", "4", "2", "4"}, ""),
          preset("nvlink-pairs", "NVLink pairs of GPUs over PCIe", 2, {"4", "0", "1", "4"}, "56.25 GB/s"),
          preset("nvlink-quads", "NVLink quads of GPUs, each a full mesh, over PCIe", 4, {"8", "0", "2", "5"}, "150 GB/s")};
}

}  // namespace p2plab::presets
