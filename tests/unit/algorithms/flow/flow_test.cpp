// SPDX-License-Identifier: Apache-2.0
// All-to-all, gather, scatter and pairs against the maximum concurrent flow.
#include <gtest/gtest.h>

#include "common/data_flow.h"
#include "p2plab/bounds/bounds.h"
#include "p2plab/machine/presets.h"
#include "p2plab/machine/topology_io.h"
#include "p2plab/schedule/analysis.h"
#include "p2plab/schedule/verify.h"
#include "support/machines.h"
#include "support/optima.h"
#include "support/plans.h"

namespace p2plab::flow_test {
namespace {

// The bandwidth that the plan's link loads allow, over the bound's.
double optimality(const Topology& machine, const Plan& plan) {
  const auto best = bound(machine, plan.schedule.collective());
  EXPECT_TRUE(best);
  return bottleneck(machine, link_loads(machine, plan.schedule)).algbw_gbps() / best->algbw_gbps();
}

TEST(Flow, IsWithinTwoPercentOfTheBoundOnEveryReferenceMachine) {
  if (test::optima().empty()) GTEST_SKIP() << "no reference optima in " << test::reference_optima();
  for (const auto& row : test::optima()) {
    const auto machine = test::reference_machine(row.name);
    const auto plan = test::plan_on(machine, "flow", CollectiveKind::all_to_all);
    ASSERT_TRUE(plan) << row.name << describe(plan.error());
    EXPECT_GE(optimality(machine, *plan), 0.98) << row.name << plan->reason;
    EXPECT_LE(optimality(machine, *plan), 1 + 1e-6) << row.name;
  }
}

// A torus of 5 x 5: blocks go 1.2 hops in each dimension on average, over 2 links of 50 GB/s: each link carries 0.6 of the payload.
TEST(Flow, ATorusIsFilledInBothDimensions) {
  const auto machine = *make_preset("torus", {{"dims", "5x5"}});
  const auto plan = test::plan_on(machine, "flow", CollectiveKind::all_to_all);
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_NEAR(bottleneck(machine, link_loads(machine, plan->schedule)).algbw_gbps(), 50 / 0.6, 1e-3);
}

TEST(Flow, OneSwitchIsOneRound) {
  for (const int n : {2, 3, 5, 8}) {
    const auto plan = test::plan_on(test::one_switch(n), "flow", CollectiveKind::all_to_all);
    ASSERT_TRUE(plan) << describe(plan.error());
    EXPECT_EQ(rounds(plan->schedule), 1) << n;
  }
}

// Two members at the ends of a line of three: the GPU between them relays.
TEST(Flow, OtherGpusRelay) {
  const auto machine = test::line(3);
  Collective collective{.kind = CollectiveKind::all_to_all, .members = {Rank{0}, Rank{2}}};
  const auto plan = test::plan_on(machine, "flow", collective);
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_EQ(rounds(plan->schedule), 2);
  EXPECT_NEAR(optimality(machine, *plan), 1, 1e-6);
}

// On a DGX-1 six lanes of 25 GB/s lead out of the root: 7 of 8 blocks over 150 GB/s. Each GPU's block goes to the next one: the bound is a flow.
TEST(Flow, GatherScatterAndPairsReachTheBound) {
  const auto machine = *make_preset("dgx-v100", {});
  for (const auto kind : {CollectiveKind::gather, CollectiveKind::scatter, CollectiveKind::send_receive}) {
    const auto plan = test::plan_on(machine, "flow", kind);
    ASSERT_TRUE(plan) << describe(plan.error());
    EXPECT_NEAR(optimality(machine, *plan), 1, 1e-6) << to_string(kind);
    if (kind == CollectiveKind::send_receive) continue;
    EXPECT_NEAR(bottleneck(machine, link_loads(machine, plan->schedule)).algbw_gbps(), 150.0 * 8 / 7, 1e-3) << to_string(kind);
  }
}

// 24 servers of 8: what the last GPU of a server sends to the first of the next goes over all eight NICs, as in every server, though each GPU has a
// receiver of its own.
TEST(Flow, PairsOfLargeGroupsReachTheBoundByTheServersThatAreAlike) {
  const auto machine = *make_preset("dgx-a100", {{"nodes", "24"}});
  const auto plan = test::plan_on(machine, "flow", CollectiveKind::send_receive);
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_NEAR(bottleneck(machine, link_loads(machine, plan->schedule)).algbw_gbps(), 8 * 25.0, 1e-3);
  EXPECT_EQ(plan->schedule.step_count() % 24, 0U);
}

TEST(Flow, UnevenSharesAndPairsThatRepeatKeepTheirProportions) {
  const auto machine = *make_preset("dgx-v100", {});
  Collective scatter{
      .kind = CollectiveKind::scatter, .members = {Rank{0}, Rank{5}, Rank{6}, Rank{3}}, .root = Rank{6}, .silent = {}, .shares = {1, 3, 2, 5}};
  auto pairs = make_collective(CollectiveKind::send_receive, 8);
  pairs.pairs = {{Rank{0}, Rank{5}}, {Rank{2}, Rank{1}}, {Rank{0}, Rank{5}}, {Rank{3}, Rank{3}}};
  for (const auto& collective : {scatter, pairs}) {
    const auto plan = test::plan_on(machine, "flow", collective);
    ASSERT_TRUE(plan) << describe(plan.error());
    EXPECT_NEAR(optimality(machine, *plan), 1, 0.002) << to_string(collective.kind);
  }
}

TEST(Flow, OneMemberHasNothingToSend) {
  const auto plan = test::plan_on(test::one_switch(1), "flow", CollectiveKind::all_to_all);
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_EQ(rounds(plan->schedule), 0);
}

// A ring of DGX Sparks has two NICs in each host, and no host passes on what comes in by one of them: GPUs relay.
TEST(Flow, DoesNotPassAHostFromNicToNic) {
  const auto file = std::string{P2PLAB_SOURCE_DIR} + "/tests/data/field/10_spark_ring4.yaml";
  const auto machine = load_topology(file);
  ASSERT_TRUE(machine) << describe(machine.error());
  const auto plan = test::plan_on(*machine, "flow", CollectiveKind::all_to_all);
  ASSERT_TRUE(plan) << describe(plan.error());
}

// Three servers with a GPU each; the second, whose GPU has a narrow link, is on two networks that it alone joins.
Topology on_two_networks() {
  Topology::Builder builder("two networks");
  const auto network = [&](const std::string& name) { return builder.add_node({.name = name, .kind = NodeKind::network_switch}); };
  const auto first = network("net0");
  const auto second = network("net1");
  const auto server = [&](const std::string& name, double gbps, std::initializer_list<NodeId> networks) {
    const auto gpu = builder.add_node({.name = "gpu" + name});
    const auto host = builder.add_node({.name = "host" + name, .kind = NodeKind::host});
    builder.add_duplex(gpu, host, LinkKind::pcie, GBps(gbps), Seconds{1e-6});
    for (const auto to : networks) {
      const auto nic = builder.add_node({.name = "nic" + name + std::to_string(to.value), .kind = NodeKind::nic});
      builder.add_duplex(host, nic, LinkKind::pcie, GBps(60), Seconds{1e-6});
      builder.add_duplex(nic, to, LinkKind::network, GBps(20.5), Seconds{1e-6});
    }
  };
  server("0", 60, {first});
  server("1", 16, {first, second});
  server("2", 60, {second});
  return *std::move(builder).build();
}

// Rank 1's GPU has 16 GB/s for its own data; what passes from network to network needs them, too, unless it rests in its host's memory.
TEST(Flow, SaysThatHostMemoryCouldPassOnFromNetworkToNetwork) {
  const auto machine = on_two_networks();
  const auto collective = make_collective(CollectiveKind::send_receive, 3);
  const auto best = bound(machine, collective);
  ASSERT_TRUE(best && best->attained);
  EXPECT_NEAR(best->algbw_gbps(), 16, 1e-9);
  const auto plan = test::plan_on(machine, "flow", CollectiveKind::send_receive);
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_NEAR(optimality(machine, *plan), 0.5, 1e-9);
  EXPECT_NE(plan->reason.find("copies in host memory, which no planner makes, could do more"), std::string::npos) << plan->reason;

  auto by_hand = *Schedule::Builder::create(collective, 3);
  for (int b = 0; b < 3; ++b) by_hand.add_chunk({b, 1, 0});
  by_hand.copy(Rank{0}, input(Rank{0}, ChunkId{0}), output(Rank{1}, ChunkId{0}));
  by_hand.copy(Rank{1}, input(Rank{1}, ChunkId{1}), output(Rank{2}, ChunkId{1}));
  by_hand.copy(Rank{2}, input(Rank{2}, ChunkId{2}), host(Rank{1}, 0));
  by_hand.copy(Rank{0}, host(Rank{1}, 0), output(Rank{0}, ChunkId{2}));
  const auto schedule = *std::move(by_hand).build();
  ASSERT_TRUE(verify(machine, schedule));
  EXPECT_NEAR(bottleneck(machine, link_loads(machine, schedule)).algbw_gbps(), best->algbw_gbps(), 1e-9);
}

// Plan files hold weights below 2^31; shares times the linear program's fractions may be more, and wrapped around.
TEST(ChunkWeight, KeepsProportionsBelowTwoToThe31) {
  constexpr std::int64_t limit = std::int64_t{1} << 31;
  EXPECT_EQ(chunk_weight(limit - 1, limit - 1), limit - 1);
  EXPECT_EQ(chunk_weight(limit, limit), limit / 2);
  EXPECT_EQ(chunk_weight(limit / 4, limit), limit / 8);
  EXPECT_EQ(chunk_weight(3 * limit, 8 * limit), 3 * limit / 16);
  EXPECT_EQ(chunk_weight(1, 8 * limit), 1U);
}

}  // namespace
}  // namespace p2plab::flow_test
