// SPDX-License-Identifier: Apache-2.0
// Servers behind networks as people have them: rates by name, trees with taper, shared NICs, lost ones.
#include <gtest/gtest.h>

#include <cmath>

#include "p2plab/bounds/bounds.h"
#include "p2plab/machine/mask.h"
#include "p2plab/machine/presets.h"

namespace p2plab::network_presets_test {
namespace {

double all_gather(const Topology& machine) { return bound(machine, make_collective(CollectiveKind::all_gather, machine.ranks()))->algbw_gbps(); }

Topology servers(const std::string& parameters) { return *resolve_topology("hgx-h100:" + parameters); }

TEST(Networks, AreKnownByNameNetOfTheirHeaders) {
  const auto rate = [](const std::string& nic) {
    const auto machine = servers("nodes=2,gpus=1,nic=" + nic);
    return machine.link(machine.out_links(*machine.find_node("nic0"))[0]).bandwidth.gbps();
  };
  EXPECT_NEAR(rate("ndr"), 50 * 4096.0 / 4122, 1e-9);
  EXPECT_NEAR(rate("hdr"), 25 * 4096.0 / 4122, 1e-9);
  EXPECT_NEAR(rate("roce400"), 50 * 4096.0 / 4178, 1e-9);
  EXPECT_NEAR(rate("50"), 50, 1e-9);
  const auto wrong = resolve_topology("hgx-h100:nodes=2,nic=nrd");
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message.find("got 'nrd'; did you mean 'ndr'?"), std::string::npos) << wrong.error().message;
}

// Each server takes in the bytes of six GPUs at 100 GB/s. Two servers below each leaf bring 200; with taper 4 the spine takes 50 of them.
TEST(Networks, OfATreeWithTaperAreBoundedByTheSpine) {
  EXPECT_NEAR(all_gather(servers("nodes=4,gpus=2,network=tree,leaf=2")), 8 * 100 / 6.0, 1e-6);
  EXPECT_NEAR(all_gather(servers("nodes=4,gpus=2,network=tree,leaf=2,taper=4")), 8 * 50 / 4.0, 1e-6);
  EXPECT_FALSE(servers("nodes=2,gpus=2,network=tree,leaf=2").find_node("spine"));
  EXPECT_TRUE(servers("nodes=5,gpus=2,network=tree,leaf=2").find_node("net2"));
  for (const auto* wrong : {"network=tree,taper=0.5", "network=tree,leaf=0", "network=tree,taper=x", "network=ring"})
    EXPECT_FALSE(resolve_topology(std::string("hgx-h100:nodes=4,") + wrong)) << wrong;
}

// What changes nothing would be taken for what was bounded with it.
TEST(Networks, TakeOnlyWhatTheyHave) {
  for (const auto* wrong : {"taper=2", "leaf=2", "network=rail,taper=2", "network=tree,rails=2", "rails=4"}) {
    const auto machine = resolve_topology(std::string("hgx-h100:nodes=4,") + wrong);
    ASSERT_FALSE(machine) << wrong;
    EXPECT_NE(machine.error().message.find("only network="), std::string::npos) << machine.error().message;
  }
  EXPECT_TRUE(resolve_topology("hgx-h100:nodes=4,taper=1,leaf=4,rails=auto"));
}

TEST(Networks, ASharedOrALostNicCostsItsBandwidth) {
  const double whole = all_gather(servers("nodes=2,gpus=4"));
  EXPECT_NEAR(all_gather(servers("nodes=2,gpus=4,nics=2")), whole / 2, 1e-6);
  const auto lost = apply_mask(servers("nodes=2,gpus=4"), {.links = {{"nic0", "net0"}}});
  ASSERT_TRUE(lost);
  EXPECT_NEAR(all_gather(*lost), whole * 3 / 4, 1e-6);
}

TEST(Networks, PcieBetweenGpuAndNicCountsWhereItIsNarrower) {
  // One switch for two GPUs and their NICs: 24 GB/s a GPU, NICs of 25.
  const auto machine = *resolve_topology("hgx-a100:nodes=2,gpus=2,pcie=on");
  EXPECT_NEAR(all_gather(machine), 4 * 48 / 2.0, 1e-6);
}

}  // namespace
}  // namespace p2plab::network_presets_test
