// SPDX-License-Identifier: Apache-2.0
// What peer accesses take: own links before PCIe, no way through a host from NIC to NIC, no GPU of others.
#include <gtest/gtest.h>

#include <algorithm>

#include "p2plab/machine/fabric.h"
#include "p2plab/machine/presets.h"
#include "p2plab/machine/routes.h"

namespace p2plab::fabric_test {
namespace {

long count(const Topology& topology, LinkKind kind) { return std::ranges::count(topology.links(), kind, &Link::kind); }

TEST(Fabric, PcieBesideNvlinkIsNoPartOfWhatPeersTake) {
  const auto whole = *resolve_topology("dgx-v100:pcie=on");
  const auto peers = *peer_links(whole);
  EXPECT_EQ(count(peers, LinkKind::pcie), 0);
  EXPECT_EQ(count(peers, LinkKind::nvlink), 32);
  EXPECT_EQ(peers.ranks(), 8);
  const auto pairs = *resolve_topology("nvlink-pairs");
  EXPECT_EQ(peer_links(pairs)->links().size(), pairs.links().size());  // PCIe joins the pairs
}

TEST(Fabric, AJobKeepsToItsMembers) {
  const auto whole = *resolve_topology("dgx-v100:pcie=on");
  const std::vector<Rank> quad{Rank{0}, Rank{1}, Rank{2}, Rank{3}};
  const auto job = *among_members(whole, quad);
  EXPECT_EQ(job.ranks(), 8);  // numbers stay
  EXPECT_EQ(job.links().size(), 12U);
  EXPECT_TRUE(job.out_links(job.node_of(Rank{5})).empty());
  // 0 and 5 have no NVLink between them: without relays they meet over PCIe.
  const std::vector<Rank> apart{Rank{0}, Rank{5}};
  const auto far = *among_members(whole, apart);
  EXPECT_TRUE(far.routes().connected(Rank{0}, Rank{5}));
  EXPECT_EQ(count(far, LinkKind::nvlink), 0);
}

TEST(Fabric, AJobOverServersHasNoDeadEnds) {
  const auto whole = *resolve_topology("hgx-h100:nodes=4");
  const std::vector<Rank> rail{Rank{0}, Rank{8}, Rank{16}, Rank{24}};
  const auto job = *among_members(whole, rail);
  // A way from each GPU over its NIC to the network, and its NVLinks, which tell what it is.
  EXPECT_EQ(count(job, LinkKind::network), 8);
  EXPECT_EQ(count(job, LinkKind::pcie), 8);
  EXPECT_EQ(count(job, LinkKind::nvlink), 8);
}

TEST(Fabric, HostsDoNotForwardBetweenNics) {
  Topology::Builder builder("line");
  std::vector<NodeId> gpus;
  for (int i = 0; i < 3; ++i) gpus.push_back(builder.add_node({.name = "gpu" + std::to_string(i)}));
  std::vector<NodeId> last;
  for (int i = 0; i < 3; ++i) {
    const auto host = builder.add_node({.name = "host" + std::to_string(i), .kind = NodeKind::host});
    const auto left = builder.add_node({.name = "l" + std::to_string(i), .kind = NodeKind::nic});
    const auto right = builder.add_node({.name = "r" + std::to_string(i), .kind = NodeKind::nic});
    builder.add_duplex(gpus[static_cast<std::size_t>(i)], host, LinkKind::pcie, GBps(63), Seconds{0});
    builder.add_duplex(host, left, LinkKind::pcie, GBps(31), Seconds{0});
    builder.add_duplex(host, right, LinkKind::pcie, GBps(31), Seconds{0});
    if (i > 0) builder.add_duplex(last.back(), left, LinkKind::network, GBps(25), Seconds{0});
    last.push_back(right);
  }
  const auto machine = *std::move(builder).build();
  const auto& routes = machine.routes();
  EXPECT_EQ(routes.between(Rank{0}, Rank{1}).size(), 5U);  // gpu, host, NIC, cable, NIC, host, gpu
  EXPECT_FALSE(routes.connected(Rank{0}, Rank{2}));
}

TEST(Fabric, ANicJoinsNoTwoGpusOfItsServer) {
  Topology::Builder builder("shared nic");
  const auto a = builder.add_node({.name = "gpu0"});
  const auto b = builder.add_node({.name = "gpu1"});
  const auto nic = builder.add_node({.name = "nic0", .kind = NodeKind::nic});
  builder.add_duplex(a, nic, LinkKind::pcie, GBps(50), Seconds{0});
  builder.add_duplex(b, nic, LinkKind::pcie, GBps(50), Seconds{0});
  const auto server = *std::move(builder).build();
  EXPECT_FALSE(server.routes().connected(Rank{0}, Rank{1}));
}

}  // namespace
}  // namespace p2plab::fabric_test
