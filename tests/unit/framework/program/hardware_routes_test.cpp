// SPDX-License-Identifier: Apache-2.0
// A program whose routes no peer access takes is refused before it runs; routes that name the hardware's own way are as good as none.
#include <gtest/gtest.h>

#include "p2plab/machine/routes.h"
#include "p2plab/program/hardware_routes.h"

namespace p2plab::hardware_routes_test {
namespace {

// Two GPUs joined by NVLink, narrower than their PCIe: links 0 and 1 are NVLink, 2 and 4 lead up, 3 and 5 down.
Topology pair_over_host() {
  Topology::Builder builder("pair");
  const auto a = builder.add_node({.name = "gpu0"});
  const auto b = builder.add_node({.name = "gpu1"});
  const auto host = builder.add_node({.name = "host0", .kind = NodeKind::host});
  builder.add_duplex(a, b, LinkKind::nvlink, GBps(25), Seconds{7e-7});
  builder.add_duplex(a, host, LinkKind::pcie, GBps(63), Seconds{3e-7});
  builder.add_duplex(b, host, LinkKind::pcie, GBps(63), Seconds{3e-7});
  return *std::move(builder).build();
}

Program with_route(const std::vector<LinkId>& links) {
  Program program;
  program.memory.resize(2);
  program.route_links = links;
  program.route_offsets = {0, static_cast<std::uint32_t>(links.size())};
  return program;
}

TEST(HardwareRoutes, APeerAccessTakesNvlinkThoughPcieIsWider) {
  const auto machine = pair_over_host();
  const auto& routes = machine.routes();
  ASSERT_EQ(routes.between(Rank{0}, Rank{1}).size(), 1U);
  EXPECT_EQ(routes.between(Rank{0}, Rank{1}).front(), LinkId{0});
  EXPECT_EQ(routes.to_host(Rank{0}, Rank{1}).size(), 1U);
}

TEST(HardwareRoutes, ARouteOverTheHostIsRefusedByName) {
  const auto machine = pair_over_host();
  EXPECT_TRUE(follows_hardware(with_route({LinkId{0}}), machine));
  EXPECT_TRUE(follows_hardware(with_route({}), machine));
  const auto refused = follows_hardware(with_route({LinkId{2}, LinkId{5}}), machine);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  EXPECT_EQ(refused.error().message,
            "the plan names 1 of 1 routes that no peer access takes, as gpu0 -> host0 -> gpu1, where a peer access takes gpu0 -> gpu1");
}

}  // namespace
}  // namespace p2plab::hardware_routes_test
