// SPDX-License-Identifier: Apache-2.0
// Trees' paths past hosts and NICs go where data goes.
#include <set>

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "support/plans.h"

namespace p2plab::forest_paths_test {
namespace {

// g0 and g1 are in servers on two networks; the third server has a NIC on each, at its host or at a PCIe switch below it.
Topology two_networks(bool below) {
  Topology::Builder builder("two-networks");
  const auto server = [&](int gpu, const std::vector<NodeId>& networks) {
    const auto host = builder.add_node({.name = fmt::format("host{}", gpu), .kind = NodeKind::host});
    const auto root = below ? builder.add_node({.name = fmt::format("pcie{}", gpu), .kind = NodeKind::pcie_switch}) : host;
    if (below) builder.add_duplex(root, host, LinkKind::pcie, GBps(64), Seconds{0});
    builder.add_duplex(builder.add_node({.name = fmt::format("g{}", gpu)}), root, LinkKind::pcie, GBps(32), Seconds{0});
    for (const auto network : networks) {
      const auto nic = builder.add_node({.name = fmt::format("nic{}.{}", gpu, network.value), .kind = NodeKind::nic});
      builder.add_duplex(root, nic, LinkKind::pcie, GBps(25), Seconds{0});
      builder.add_duplex(nic, network, LinkKind::network, GBps(25), Seconds{0});
    }
  };
  const std::vector<NodeId> networks{builder.add_node({.name = "a", .kind = NodeKind::network_switch}),
                                     builder.add_node({.name = "b", .kind = NodeKind::network_switch})};
  server(0, {networks[0]});
  server(1, {networks[1]});
  server(2, networks);
  return *std::move(builder).build();
}

// Data goes through the third server's GPU, not from NIC to NIC.
TEST(Forest, DoesNotPassAHostFromNicToNic) {
  const auto machine = two_networks(false);
  for (const auto kind : {CollectiveKind::all_reduce, CollectiveKind::all_gather, CollectiveKind::broadcast}) {
    const auto plan = test::plan_on(machine, "forest", kind);
    EXPECT_TRUE(plan || plan.error().code == ErrorCode::unsupported) << describe(plan.error());
  }
  EXPECT_TRUE(test::plan_on(machine, "forest", CollectiveKind::broadcast));
}

// From NIC to NIC by way of the host above the switch is the same. No route passes a node twice.
TEST(Flow, DoesNotTurnAroundAtAHostToPassFromNicToNic) {
  const auto machine = two_networks(true);
  const auto plan = test::plan_on(machine, "flow", CollectiveKind::all_to_all);
  ASSERT_TRUE(plan) << describe(plan.error());
  for (std::size_t r = 0; r < plan->schedule.route_count(); ++r) {
    std::set<std::int32_t> passed;
    for (const auto link : plan->schedule.route(RouteId{static_cast<std::int64_t>(r)}))
      EXPECT_TRUE(passed.insert(machine.link(link).to.value).second);
  }
}

// A host whose NIC leads nowhere useful: splitting off the host first would leave paths to the NIC and back.
TEST(Forest, PathsDoNotComeBack) {
  Topology::Builder builder("dead end");
  const auto network = builder.add_node({.name = "net", .kind = NodeKind::network_switch});
  const auto host = builder.add_node({.name = "host", .kind = NodeKind::host});
  const auto nic = builder.add_node({.name = "nic", .kind = NodeKind::nic});
  builder.add_duplex(nic, host, LinkKind::pcie, GBps(1000), Seconds{0});
  builder.add_duplex(nic, network, LinkKind::network, GBps(1000), Seconds{0});
  for (int g = 0; g < 3; ++g) builder.add_duplex(builder.add_node({.name = fmt::format("g{}", g)}), host, LinkKind::pcie, GBps(32), Seconds{0});
  const auto machine = *std::move(builder).build();
  for (const auto* trees : {"1", "2", "optimal"}) {
    for (const auto kind : {CollectiveKind::all_reduce, CollectiveKind::reduce_scatter, CollectiveKind::broadcast}) {
      const auto plan = test::plan_on(machine, "forest", kind, {{"trees", trees}});
      EXPECT_TRUE(plan) << trees << ": " << describe(plan.error());
    }
  }
}

}  // namespace
}  // namespace p2plab::forest_paths_test
