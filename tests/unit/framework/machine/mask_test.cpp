// SPDX-License-Identifier: Apache-2.0
#include "p2plab/machine/mask.h"
#include "p2plab/machine/routes.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "p2plab/machine/cuts.h"
#include "support/reference.h"

namespace p2plab::mask_test {
namespace {

using test::machine;

Bandwidth total(const Topology& topology, const std::string& from, const std::string& to) {
  Bandwidth sum;
  for (const auto& link : topology.links()) {
    if (topology.node(link.from).name == from && topology.node(link.to).name == to) sum += link.bandwidth;
  }
  return sum;
}

Topology masked(const Topology& topology, const Mask& mask) {
  auto rest = apply_mask(topology, mask);
  EXPECT_TRUE(rest) << describe(rest.error());
  return *std::move(rest);
}

TEST(Mask, NothingMissingIsTheSameMachine) {
  const auto server = machine("dgx-v100:pcie=on");
  const auto same = masked(server, {});
  ASSERT_EQ(same.links().size(), server.links().size());
  ASSERT_EQ(same.nodes().size(), server.nodes().size());
  for (std::size_t i = 0; i < server.links().size(); ++i) EXPECT_EQ(same.links()[i].bandwidth, server.links()[i].bandwidth);
}

TEST(Mask, ALostLinkIsGoneInBothDirectionsOrInOne) {
  const auto server = machine("dgx-v100");
  const auto both = masked(server, {.links = {{"gpu0", "gpu3"}}});
  EXPECT_EQ(both.links().size(), server.links().size() - 2);
  EXPECT_EQ(total(both, "gpu3", "gpu0"), Bandwidth{});
  const auto one = masked(server, {.links = {{"gpu0", "gpu3", false}}});
  EXPECT_EQ(total(one, "gpu0", "gpu3"), Bandwidth{});
  EXPECT_EQ(total(one, "gpu3", "gpu0"), GBps(50));
  EXPECT_EQ(asymmetries(one).size(), 1U);
}

TEST(Mask, ALostLaneOfTwoLeavesHalfTheBandwidth) {
  const auto server = machine("dgx-v100");
  const auto lane = masked(server, {.links = {{.from = "gpu0", .to = "gpu4", .bandwidth = GBps(25)}}});
  EXPECT_EQ(total(lane, "gpu0", "gpu4"), GBps(25));
  EXPECT_EQ(total(lane, "gpu4", "gpu0"), GBps(25));
  const auto half = masked(server, {.links = {{.from = "gpu0", .to = "gpu4", .fraction = 0.5}}});
  EXPECT_EQ(total(half, "gpu0", "gpu4"), GBps(25));
}

TEST(Mask, ALaneLostBetween0And4MakesTheReferenceOfADegradedDgx1) {
  const auto folder = test::reference_folder();
  if (!folder) GTEST_SKIP() << "no reference graphs beside the project; set P2PLAB_REFERENCE to their folder";
  const auto theirs = test::reference_graph(*folder, "dgx1v_degraded");
  ASSERT_TRUE(theirs);
  const auto ours = masked(machine("dgx-v100"), {.links = {{.from = "gpu0", .to = "gpu4", .fraction = 0.5}}});
  for (const auto& link : theirs->links()) {
    const auto& from = theirs->node(link.from).name;
    const auto& to = theirs->node(link.to).name;
    EXPECT_EQ(total(ours, from, to), link.bandwidth) << from << " " << to;
  }
  EXPECT_EQ(ours.links().size(), theirs->links().size());
}

TEST(Mask, ParallelLinksAreLostOneByOneFromTheLast) {
  Topology::Builder builder("lanes");
  const auto a = builder.add_node({"a", NodeKind::gpu});
  const auto b = builder.add_node({"b", NodeKind::gpu});
  for (int i = 0; i < 3; ++i) builder.add_duplex(a, b, LinkKind::nvlink, GBps(25), Seconds{0});
  const auto lanes = std::move(builder).build();
  ASSERT_TRUE(lanes);
  const auto rest = masked(*lanes, {.links = {{.from = "a", .to = "b", .bandwidth = GBps(30)}}});
  EXPECT_EQ(rest.links().size(), 4U);  // two of three lanes each way, one of them with 20 GB/s
  EXPECT_EQ(total(rest, "a", "b"), GBps(45));
}

TEST(Mask, RanksCloseUpBehindALostGpu) {
  const auto rest = masked(machine("dgx-v100"), {.gpus = {"gpu2", "gpu0"}});
  ASSERT_EQ(rest.ranks(), 6);
  EXPECT_EQ(rest.node(rest.node_of(Rank{0})).name, "gpu1");
  EXPECT_EQ(rest.node(rest.node_of(Rank{1})).name, "gpu3");
  EXPECT_EQ(rest.links().size(), 32U - 2 * (4 + 4 - 1));
}

TEST(Mask, GroupsLoseTheirLostLinks) {
  Topology::Builder builder("bus");
  const auto a = builder.add_node({"a", NodeKind::gpu});
  const auto b = builder.add_node({"b", NodeKind::gpu});
  const auto c = builder.add_node({"c", NodeKind::gpu});
  const auto ab = builder.add_link({a, b, LinkKind::pcie, GBps(1), Seconds{0}});
  const auto bc = builder.add_link({b, c, LinkKind::pcie, GBps(1), Seconds{0}});
  builder.add_group({"first", GBps(1), {ab}});
  builder.add_group({"both", GBps(1), {ab, bc}});
  const auto bus = std::move(builder).build();
  ASSERT_TRUE(bus);
  const auto rest = masked(*bus, {.links = {{"a", "b"}}});
  ASSERT_EQ(rest.groups().size(), 1U);
  EXPECT_EQ(rest.groups()[0].name, "both");
  EXPECT_EQ(rest.groups()[0].links, std::vector{LinkId{0}});
}

TEST(Mask, AllMistakesAreReportedAtOnceWithTheNearestNames) {
  const auto server = machine("hgx-h200");
  const auto bad =
      apply_mask(server, {.links = {{"gpu0", "gpu0"}, {.from = "gpu0", .to = "nvswitch0", .fraction = 1.5}}, .gpus = {"gpu9", "nvswitch0"}});
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message, "no link joins 'gpu0' and 'gpu0' directly, so none can be masked");
  EXPECT_EQ(bad.error().notes.front(), "gpu0 is linked to nvswitch0");
  ASSERT_EQ(bad.error().more.size(), 4U) << describe(bad.error());  // the fraction in both directions, the unknown gpu, the switch
  EXPECT_EQ(bad.error().more[2].code, ErrorCode::unknown_name);
}

TEST(Mask, AMachineWithoutGpusIsAnError) { EXPECT_FALSE(apply_mask(machine("ring:gpus=2"), {.gpus = {"gpu0", "gpu1"}})); }

TEST(Mask, APairBehindAnNvswitchLosesOnlyItsOwnWay) {
  const auto server = machine("hgx-h200:gpus=4");
  const auto rest = masked(server, {.links = {{"gpu0", "gpu1"}}});
  const auto& before = server.routes();
  const auto& after = rest.routes();
  EXPECT_NE(after.between(Rank{0}, Rank{2}).size(), 0U);
  EXPECT_EQ(after.bottleneck(after.between(Rank{0}, Rank{2})), before.bottleneck(before.between(Rank{0}, Rank{2})));
  // Whatever way is left between the masked pair, it is not the switch.
  for (const auto id : after.between(Rank{0}, Rank{1})) EXPECT_NE(rest.link(id).kind, LinkKind::nvlink);
  // A GPU's links to all others together still have the bandwidth of its one link to the switch.
  const auto out =
      std::ranges::count_if(rest.groups(), [&](const LinkGroup& group) { return rest.link(group.links[0]).from == *rest.find_node("gpu2"); });
  EXPECT_GE(out, 1);
  for (const auto& group : rest.groups()) EXPECT_EQ(group.bandwidth, before.bottleneck(before.between(Rank{0}, Rank{2}))) << group.name;
}

}  // namespace
}  // namespace p2plab::mask_test
