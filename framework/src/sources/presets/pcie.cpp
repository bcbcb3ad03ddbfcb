// SPDX-License-Identifier: Apache-2.0
// Servers with GPUs on PCIe: GPUs on switches or straight on the sockets' roots, and NVLink bridges between some of them.
// PCIe x16 per direction, effective: gen 3 12, gen 4 24, gen 5 48 GB/s (NVIDIA/nccl, src/graph/topo.h); gen 6 twice that. Link between sockets, peer
// traffic: 10 GB/s Skylake and Ice Lake, 22 GB/s Sapphire Rapids, AMD 16 GB/s (same file). A host node is a socket: its root and its memory.
// Bridges: pairs 56.25 GB/s (RTX 3090: 4 lanes of 14.0625, aikitoria/open-gpu-kernel-modules pull 18); quads 150 GB/s a pair (H200 NVL, 4-way bridge:
// 450 GB/s a GPU and direction over three neighbours, NVIDIA's product page). Latency: 360 ns a PCIe link (see tables/link_rates.h), 0.7 us a bridge.
#include <array>

#include <fmt/format.h>

#include "p2plab/machine/presets.h"
#include "sources/presets/values.h"

namespace p2plab::presets {

namespace {

constexpr std::array<double, 4> pcie_rates{12, 24, 48, 96};  // GB/s by generation, from 3
constexpr std::array<double, 4> upi_rates{10, 10, 22, 22};

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
};

// The element of `into` parts that element `index` of `count` belongs to, in even runs.
std::size_t share(std::size_t index, std::size_t count, std::size_t into) { return index * into / count; }

Result<Topology> build(const std::string& name, const Server& server) {
  Topology::Builder builder(name);
  const auto gpus = add_gpus(builder, server.gpus);
  std::vector<NodeId> sockets;
  for (int i = 0; i < server.sockets; ++i) {
    sockets.push_back(builder.add_node({.name = fmt::format("socket{}", i), .kind = NodeKind::host, .forwards_peers = server.peers}));
  }
  std::vector<NodeId> switches;
  const auto switch_count = static_cast<std::size_t>(server.switches);
  for (std::size_t i = 0; i < switch_count; ++i) {
    switches.push_back(builder.add_node({fmt::format("pcie{}", i), NodeKind::pcie_switch}));
    builder.add_duplex(switches.back(), sockets[share(i, switch_count, sockets.size())], LinkKind::pcie, server.uplink, server.latency);
  }
  const auto& ports = switches.empty() ? sockets : switches;
  for (std::size_t i = 0; i < gpus.size(); ++i)
    builder.add_duplex(gpus[i], ports[share(i, gpus.size(), ports.size())], LinkKind::pcie, server.pcie, server.latency);
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    for (std::size_t j = i + 1; j < sockets.size(); ++j) {
      builder.add_duplex(sockets[i], sockets[j], LinkKind::upi, server.upi, default_latency(LinkKind::upi));
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
  server.upi = values.bandwidth_or("upi", GBps(upi_rates[generation]));
  if (island > 1) server.nvlink = values.bandwidth("nvlink");
  server.latency = values.latency("latency");
  server.peers = values.on("peers");
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
      {"upi", "between two sockets, in each direction; auto: by generation", "auto"},
      {"latency", "of a PCIe link", "360 ns"},
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
