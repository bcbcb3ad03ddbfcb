// SPDX-License-Identifier: Apache-2.0
#include "runtime/machines.h"

#include <string>

namespace p2plab::runtime {

namespace {

// Rates order plans by the bytes of their busiest link; all links are alike, so no plan depends on how fast they are.
constexpr auto nvlink_rate = GBps(450);
constexpr auto pcie_rate = GBps(50);
constexpr Seconds latency{500e-9};

std::shared_ptr<const Machine> around(const Node& hub, LinkKind kind, Bandwidth rate, int ranks) {
  Topology::Builder builder("runtime");
  for (int r = 0; r < ranks; ++r) builder.add_node({.name = "gpu" + std::to_string(r)});
  const auto middle = builder.add_node(hub);
  for (int r = 0; r < ranks; ++r) builder.add_duplex(NodeId{r}, middle, kind, rate, latency);
  auto topology = std::move(builder).build();
  expects(static_cast<bool>(topology));
  Routes routes(*topology);
  return std::make_shared<const Machine>(Machine{*std::move(topology), std::move(routes)});
}

}  // namespace

std::shared_ptr<const Machine> peer_machine(int ranks, bool nvlink) {
  if (nvlink) return around({.name = "switch", .kind = NodeKind::nvswitch}, LinkKind::nvlink, nvlink_rate, ranks);
  return around({.name = "switch", .kind = NodeKind::pcie_switch}, LinkKind::pcie, pcie_rate, ranks);
}

std::shared_ptr<const Machine> host_machine(int ranks) { return around({.name = "host", .kind = NodeKind::host}, LinkKind::pcie, pcie_rate, ranks); }

}  // namespace p2plab::runtime
