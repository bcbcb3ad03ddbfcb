// SPDX-License-Identifier: Apache-2.0
#include "runtime/machines.h"

#include <algorithm>
#include <string>

namespace p2plab::runtime {

namespace {

// Rates order plans by the bytes of their busiest link; links of a kind are alike, so no plan depends on how fast they are.
constexpr auto nvlink_rate = GBps(450);
constexpr auto pcie_rate = GBps(50);
constexpr Seconds latency{500e-9};
constexpr Seconds network_latency{5e-6};

// What the GPUs of one server hang on.
struct Hub {
  Node node;
  LinkKind kind = LinkKind::pcie;
  Bandwidth rate = pcie_rate;
};
Hub nvlink_hub() { return {{.name = "switch", .kind = NodeKind::nvswitch}, LinkKind::nvlink, nvlink_rate}; }
Hub pcie_hub() { return {{.name = "switch", .kind = NodeKind::pcie_switch}}; }
Hub host_hub() { return {{.name = "host", .kind = NodeKind::host}}; }

Topology machine_of(Topology::Builder&& builder) {
  auto topology = std::move(builder).build();
  expects(static_cast<bool>(topology));
  return *std::move(topology);
}

Topology around(const Hub& hub, int ranks) {
  Topology::Builder builder("runtime");
  for (int r = 0; r < ranks; ++r) builder.add_node({.name = "gpu" + std::to_string(r)});
  const auto middle = builder.add_node(hub.node);
  for (int r = 0; r < ranks; ++r) builder.add_duplex(NodeId{r}, middle, hub.kind, hub.rate, latency);
  return machine_of(std::move(builder));
}

}  // namespace

Topology peer_machine(int ranks, bool nvlink) { return around(nvlink ? nvlink_hub() : pcie_hub(), ranks); }

Topology host_machine(int ranks) { return around(host_hub(), ranks); }

Topology torn_machine(int ranks, const std::vector<std::pair<int, int>>& apart, bool nvlink) {
  const auto kind = nvlink ? LinkKind::nvlink : LinkKind::pcie;
  const auto rate = nvlink ? nvlink_rate : pcie_rate;
  Topology::Builder builder("runtime");
  for (int r = 0; r < ranks; ++r) builder.add_node({.name = "gpu" + std::to_string(r)});
  const auto host = builder.add_node(host_hub().node);
  for (int a = 0; a < ranks; ++a) {
    builder.add_duplex(NodeId{a}, host, LinkKind::pcie, pcie_rate, latency);
    for (int b = a + 1; b < ranks; ++b) {
      if (std::ranges::find(apart, std::pair{a, b}) == apart.end()) builder.add_duplex(NodeId{a}, NodeId{b}, kind, rate, latency);
    }
  }
  return machine_of(std::move(builder));
}

Topology network_machine(const Servers& servers, device::Reach inside) {
  auto hub = inside == device::Reach::nvlink ? nvlink_hub() : inside == device::Reach::none ? host_hub() : pcie_hub();
  const auto kind_of_hub = hub.node.name;
  Topology::Builder builder("runtime");
  for (std::size_t r = 0; r < servers.of.size(); ++r) builder.add_node({.name = "gpu" + std::to_string(r)});
  const auto network = builder.add_node({.name = "network", .kind = NodeKind::network_switch});
  for (int s = 0; s < servers.count(); ++s) {
    hub.node.name = kind_of_hub + std::to_string(s);
    const auto middle = builder.add_node(hub.node);
    for (const auto rank : servers.ranks[static_cast<std::size_t>(s)]) {
      const NodeId gpu{rank.value};
      const auto nic = builder.add_node({.name = "nic" + std::to_string(rank.value), .kind = NodeKind::nic});
      builder.add_duplex(gpu, middle, hub.kind, hub.rate, latency);
      builder.add_duplex(gpu, nic, LinkKind::pcie, pcie_rate, latency);
      builder.add_duplex(nic, network, LinkKind::network, pcie_rate, network_latency);
    }
  }
  return machine_of(std::move(builder));
}

}  // namespace p2plab::runtime
