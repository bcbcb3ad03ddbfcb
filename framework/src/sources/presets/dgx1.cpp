// SPDX-License-Identifier: Apache-2.0
// DGX-1 with 8 P100 or V100: a hybrid cube mesh of direct NVLinks, and the PCIe tree under it.
// NVLinks: nvidia-smi's order of GPUs on DGX-1V and p3.16xlarge; isomorphic to the matrix of microsoft/sccl, msccl/topologies/nvidia.py, which
// numbers them otherwise. The P100 server has the same 16 connections with one NVLink each (uuudown/Tartan, dgx1_ascending.txt, p2p connectivity
// matrix). NVLinks: 20 GB/s (NVLink 1) and 25 GB/s (NVLink 2) per direction, nominal. Latency: 0.7 us (microsoft/TE-CCL, NDv2). PCIe: two GPUs a
// switch, two switches a socket (NCCL topology file ndv2-topo.xml of Azure/azhpc-images); effective 12 GB/s for gen 3 x16 and 6 GB/s for peer traffic
// over Broadwell's QPI (NVIDIA/nccl, src/graph/topo.h).
#include <array>

#include <fmt/format.h>

#include "p2plab/machine/mask.h"
#include "p2plab/machine/presets.h"
#include "sources/presets/values.h"

namespace p2plab::presets {

namespace {

struct NvLinks {
  int a;
  int b;
  int v100;  // NVLinks on the V100 server; the P100 server has one everywhere
};

constexpr std::array<NvLinks, 16> cube_mesh{{{0, 1, 1},
                                             {0, 2, 1},
                                             {0, 3, 2},
                                             {0, 4, 2},
                                             {1, 2, 2},
                                             {1, 3, 1},
                                             {1, 5, 2},
                                             {2, 3, 2},
                                             {2, 6, 1},
                                             {3, 7, 1},
                                             {4, 5, 1},
                                             {4, 6, 1},
                                             {4, 7, 2},
                                             {5, 6, 2},
                                             {5, 7, 1},
                                             {6, 7, 2}}};

// Four switches with two GPUs each, two sockets with two switches each.
void add_pcie(Topology::Builder& builder, const std::vector<NodeId>& gpus) {
  std::array<NodeId, 2> sockets;
  for (int s = 0; s < 2; ++s) sockets[static_cast<std::size_t>(s)] = builder.add_node({fmt::format("socket{}", s), NodeKind::host});
  for (std::size_t s = 0; s < 4; ++s) {
    const auto plx = builder.add_node({fmt::format("pcie{}", s), NodeKind::pcie_switch});
    builder.add_duplex(gpus[2 * s], plx, LinkKind::pcie, GBps(12), pcie_latency);
    builder.add_duplex(gpus[2 * s + 1], plx, LinkKind::pcie, GBps(12), pcie_latency);
    builder.add_duplex(plx, sockets[s / 2], LinkKind::pcie, GBps(12), pcie_latency);
  }
  builder.add_duplex(sockets[0], sockets[1], LinkKind::upi, GBps(6), default_latency(LinkKind::upi));
}

Result<Topology> make(const std::string& name, bool v100, const Parameters& parameters) {
  Values values(parameters);
  const auto selected = values.selection("gpus", 8);
  const bool pcie = values.on("pcie");
  if (auto ok = values.status(); !ok) return std::move(ok).error();
  Topology::Builder builder(name);
  const auto gpus = add_gpus(builder, 8);
  for (const auto& [a, b, nvlinks] : cube_mesh) {
    const auto bandwidth = v100 ? GBps(25.0 * nvlinks) : GBps(20);
    builder.add_duplex(gpus[static_cast<std::size_t>(a)], gpus[static_cast<std::size_t>(b)], LinkKind::nvlink, bandwidth, direct_nvlink_latency);
  }
  if (pcie) add_pcie(builder, gpus);
  auto whole = std::move(builder).build();
  if (!whole) return whole;
  std::vector<Rank> kept;
  for (const auto gpu : selected) kept.emplace_back(gpu);
  return keep_gpus(*whole, kept);
}

Preset preset(const std::string& name, const std::string& summary, bool v100) {
  return {
      name,
      summary,
      {{"gpus", "how many of the eight, or which: 5, or 0,1,4,5", "8"}, {"pcie", "on: with the PCIe tree and the sockets; off: NVLink only", "off"}},
      [=](const Parameters& parameters) { return make(name, v100, parameters); }};
}

}  // namespace

std::vector<Preset> dgx1() {
  return {preset("dgx-p100", "8 P100, hybrid cube mesh of NVLink 1, 20 GB/s a connection", false),
          preset("dgx-v100", "8 V100, hybrid cube mesh of NVLink 2, 25 or 50 GB/s a connection", true)};
}

}  // namespace p2plab::presets
