// SPDX-License-Identifier: Apache-2.0
// Small machines with known theory, for tests.
#pragma once

#include <string>
#include <tuple>
#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab::test {

inline Topology built(Topology::Builder builder) {
  auto topology = std::move(builder).build();
  expects(static_cast<bool>(topology));
  return *std::move(topology);
}

inline Topology::Builder with_gpus(const std::string& name, int n) {
  Topology::Builder builder(name);
  for (int i = 0; i < n; ++i) builder.add_node({.name = "gpu" + std::to_string(i)});
  return builder;
}

/// n GPUs on one switch, `rate` each way.
inline Topology one_switch(int n, Bandwidth rate = GBps(100)) {
  auto builder = with_gpus("switch", n);
  const auto hub = builder.add_node({.name = "sw", .kind = NodeKind::nvswitch});
  for (int i = 0; i < n; ++i) builder.add_duplex(NodeId{i}, hub, LinkKind::nvlink, rate, Seconds{500e-9});
  return built(std::move(builder));
}

/// GPUs joined directly: (a, b, lanes), each lane `lane` each way.
inline Topology meshed(int n, const std::vector<std::tuple<int, int, int>>& edges, Bandwidth lane = GBps(25)) {
  auto builder = with_gpus("mesh", n);
  for (const auto& [a, b, lanes] : edges) {
    if (a < n && b < n)
      builder.add_duplex(NodeId{a}, NodeId{b}, LinkKind::nvlink, Bandwidth::bytes_per_second(lanes * lane.bytes_per_second()), Seconds{1e-6});
  }
  return built(std::move(builder));
}

inline Topology full_mesh(int n, Bandwidth lane = GBps(25)) {
  std::vector<std::tuple<int, int, int>> edges;
  for (int a = 0; a < n; ++a) {
    for (int b = a + 1; b < n; ++b) edges.emplace_back(a, b, 1);
  }
  return meshed(n, edges, lane);
}

inline Topology line(int n) {
  std::vector<std::tuple<int, int, int>> edges;
  for (int a = 0; a + 1 < n; ++a) edges.emplace_back(a, a + 1, 1);
  return meshed(n, edges);
}

/// NVLink edges of a DGX-1 V100 in nvidia-smi's order, with lanes.
inline const std::vector<std::tuple<int, int, int>>& dgx1_edges() {
  static const std::vector<std::tuple<int, int, int>> edges{{0, 3, 2}, {0, 4, 2}, {1, 2, 2}, {1, 5, 2}, {2, 3, 2}, {4, 7, 2}, {5, 6, 2}, {6, 7, 2},
                                                            {0, 1, 1}, {0, 2, 1}, {1, 3, 1}, {2, 6, 1}, {3, 7, 1}, {4, 5, 1}, {4, 6, 1}, {5, 7, 1}};
  return edges;
}

/// The first n GPUs of a DGX-1: NVLink with `v100` lanes or one each, and PCIe to one host if `pcie`.
inline Topology dgx1(int n, bool v100, bool pcie) {
  auto builder = with_gpus("dgx1", n);
  for (const auto& [a, b, lanes] : dgx1_edges()) {
    if (a < n && b < n) builder.add_duplex(NodeId{a}, NodeId{b}, LinkKind::nvlink, GBps(25 * (v100 ? lanes : 1)), Seconds{1e-6});
  }
  if (pcie) {
    const auto host = builder.add_node({.name = "host", .kind = NodeKind::host});
    for (int i = 0; i < n; ++i) builder.add_duplex(NodeId{i}, host, LinkKind::pcie, GBps(12), Seconds{1e-6});
  }
  return built(std::move(builder));
}

/// Islands of `size` GPUs, fully joined by NVLink, each GPU with a PCIe port to one host.
inline Topology islands_over_pcie(int islands, int size) {
  auto builder = with_gpus("islands", islands * size);
  const auto host = builder.add_node({.name = "host", .kind = NodeKind::host});
  for (int i = 0; i < islands * size; ++i) {
    builder.add_duplex(NodeId{i}, host, LinkKind::pcie, GBps(25), Seconds{1e-6});
    for (int j = i + 1; j < islands * size; ++j) {
      if (i / size == j / size) builder.add_duplex(NodeId{i}, NodeId{j}, LinkKind::nvlink, GBps(100), Seconds{1e-6});
    }
  }
  return built(std::move(builder));
}

/// Two pairs of GPUs joined by NVLink, with host memory between the pairs.
inline Topology pairs_across_a_host() {
  auto builder = with_gpus("pairs", 4);
  const auto host = builder.add_node({.name = "host", .kind = NodeKind::host});
  for (int i = 0; i < 4; ++i) builder.add_duplex(NodeId{i}, host, LinkKind::pcie, GBps(50), Seconds{1e-6});
  for (const int i : {0, 2}) builder.add_duplex(NodeId{i}, NodeId{i + 1}, LinkKind::nvlink, GBps(400), Seconds{1e-6});
  return built(std::move(builder));
}

/// Servers of `size` GPUs on a switch; each GPU has a NIC of its own; all NICs on one network switch.
inline Topology servers(int count, int size) {
  auto builder = with_gpus("servers", count * size);
  const auto network = builder.add_node({.name = "net", .kind = NodeKind::network_switch});
  for (int b = 0; b < count; ++b) {
    const auto hub = builder.add_node({.name = "sw" + std::to_string(b), .kind = NodeKind::nvswitch});
    for (int i = b * size; i < (b + 1) * size; ++i) {
      builder.add_duplex(NodeId{i}, hub, LinkKind::nvlink, GBps(450), Seconds{500e-9});
      const auto nic = builder.add_node({.name = "nic" + std::to_string(i), .kind = NodeKind::nic});
      builder.add_duplex(NodeId{i}, nic, LinkKind::pcie, GBps(64), Seconds{500e-9});
      builder.add_duplex(nic, network, LinkKind::network, GBps(50), Seconds{1e-6});
    }
  }
  return built(std::move(builder));
}

}  // namespace p2plab::test
