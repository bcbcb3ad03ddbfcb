// SPDX-License-Identifier: Apache-2.0
// The ring planner finds the known packings of real machines, and its plans have the rounds and loads of theory.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "p2plab/machine/mask.h"
#include "p2plab/machine/presets.h"
#include "p2plab/machine/routes.h"
#include "p2plab/schedule/analysis.h"
#include "ring/least_time.h"
#include "ring/search.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::ring_test {
namespace {

using test::plan_on;

// Directed rings of one lane each that a machine carries, from the bandwidth of its all_reduce: rings * 25 GB/s * n / (2(n-1)).
double rings_of(const Topology& topology) {
  const auto plan = plan_on(topology, "ring", CollectiveKind::all_reduce);
  if (!plan) return 0;
  const double n = topology.ranks();
  return bottleneck(topology, link_loads(topology, plan->schedule)).algbw_gbps() / 25 * 2 * (n - 1) / n;
}

TEST(Ring, PacksTheKnownNumbersOfRingsOnTheFirstGpusOfADgx1P100) {
  const std::array known{1, 2, 3, 0, 2, 3, 4};
  for (int n = 2; n <= 8; ++n) EXPECT_NEAR(rings_of(test::dgx1(n, false, false)), known[static_cast<std::size_t>(n - 2)], 1e-9) << n;
}

TEST(Ring, PacksTheKnownNumbersOfRingsOnTheFirstGpusOfADgx1V100) {
  const std::array known{1, 2, 4, 0, 2, 4, 6};
  for (int n = 2; n <= 8; ++n) EXPECT_NEAR(rings_of(test::dgx1(n, true, true)), known[static_cast<std::size_t>(n - 2)], 1e-9) << n;
}

TEST(Ring, PacksAllLinksOfAFullMesh) {
  for (int n = 2; n <= 8; ++n) EXPECT_NEAR(rings_of(test::full_mesh(n)), n - 1, 1e-9) << n;
}

// Zigzags leave one ring of n - 1 out where n is even; 16 is the most that are packed.
TEST(Ring, PacksLargeFullMeshesAtOnce) {
  for (const int n : {11, 12, 15, 16, 17, 24, 33}) EXPECT_GE(rings_of(test::full_mesh(n)), std::min(n - 2 + n % 2, 16) - 1e-9) << n;
}

TEST(Ring, SaysThatFiveGpusOfADgx1HaveNoRingAndWhy) {
  const auto plan = plan_on(test::dgx1(5, true, true), "ring", CollectiveKind::all_reduce);
  ASSERT_FALSE(plan);
  EXPECT_EQ(describe(plan.error()),
            "error: no ring of GPU links (NVLink) passes through all 5 ranks\n"
            "note: rank 4 (gpu4) has 1 such neighbour; a ring enters by one and leaves by another\n"
            "note: fabric=any lets the ring use this machine's other links as well\n"
            "note: tree needs no ring\n");
  EXPECT_TRUE(plan_on(test::dgx1(5, true, true), "ring", CollectiveKind::all_reduce, {{"fabric", "any"}}));
}

// 7 + 7 edges inside two servers and one across join 16 GPUs; a chunk goes along all but one edge of its ring, twice to be summed and handed out.
TEST(Ring, TakesAtLeastTheLatencyOfASpanningTreeOnceEachWay) {
  for (const auto* network : {"flat", "rail"}) {  // between rails there are no routes, so no hops
    const auto topology = *make_preset("dgx-a100", {{"nodes", "2"}, {"network", network}});
    const auto& routes = topology.routes();
    const auto latency = [&](int to) {
      Seconds sum{0};
      for (const auto link : routes.between(Rank{0}, Rank{to})) sum += topology.link(link).latency;
      return sum.count();
    };
    const auto least = [&](CollectiveKind kind) { return least_time_around(topology, make_collective(kind, 16)); };
    const double once = 14 * latency(1) + latency(8);
    EXPECT_NEAR(least(CollectiveKind::all_gather)->count(), once, 1e-12) << network;
    EXPECT_NEAR(least(CollectiveKind::all_reduce)->count(), 2 * once, 1e-12) << network;
    EXPECT_FALSE(least(CollectiveKind::all_to_all)) << network;
  }
}

// Along one ring what 8 members send to the k-th server on crosses k networks, along two rings half as many, rounded up; each server has 8 NICs.
TEST(Ring, TakesAtLeastAsLongForAllToAllAsItsCrossingsOfTheNetwork) {
  const auto topology = *make_preset("dgx-a100", {{"nodes", "5"}});
  const auto collective = make_collective(CollectiveKind::all_to_all, 40);
  for (const auto& [rings, crossings] : {std::pair{std::size_t{1}, 1 + 2 + 3 + 4}, std::pair{std::size_t{2}, 1 + 1 + 2 + 2}}) {
    const auto least = least_time_around(topology, collective, {rings, 1000});
    ASSERT_TRUE(least);
    EXPECT_NEAR(least->count(), 8 * 8 * crossings * 1000 / (8 * 25e9), 1e-15);
  }
}

// Five servers of eight: along eight rings a block reaches eight GPUs with each hop, the last of 39 by the fifth.
TEST(Ring, HasAChainOfHopsForAllToAll) {
  const auto topology = *make_preset("dgx-a100", {{"nodes", "5"}});
  const auto collective = make_collective(CollectiveKind::all_to_all, 40);
  const auto chain = least_chain_around(topology, collective, {8}, {.elements = 1 << 20});
  ASSERT_TRUE(chain);
  EXPECT_EQ(chain->steps, 5);
  EXPECT_NEAR(chain->latency.count(), 5 * 360e-9, 1e-15);  // of a link to a NIC
  EXPECT_EQ(least_chain_around(topology, collective, {8}, {.elements = 10})->steps, 2);
  const auto rings = find_rings(topology, collective.members, {});
  ASSERT_TRUE(rings);
  EXPECT_EQ(rings->size(), 8U);
  EXPECT_EQ(most_rings_between(topology, collective.members), 10U);
  EXPECT_GT(most_rings_between(*make_preset("torus", {{"dims", "4x4"}}), make_collective(CollectiveKind::all_to_all, 16).members), 64U);
}

TEST(Ring, FindsNoMoreBetweenServersThanIsSaid) {
  const auto five = *make_preset("dgx-a100", {{"nodes", "5"}});
  for (const auto& mask : {Mask{}, Mask{.links = {{.from = "nic1", .to = "net0", .fraction = 0.5}}}, Mask{.links = {{.from = "gpu1", .to = "nic1"}}},
                           Mask{.links = {{.from = "gpu1", .to = "nic1", .fraction = 0.3}}}}) {
    const auto topology = apply_mask(five, mask);
    ASSERT_TRUE(topology) << describe(topology.error());
    const auto members = make_collective(CollectiveKind::all_to_all, topology->ranks()).members;
    const auto rings = find_rings(*topology, members, {.most = 64});
    ASSERT_TRUE(rings) << describe(rings.error());
    EXPECT_LE(rings->size(), most_rings_between(*topology, members));
    EXPECT_EQ(most_rings_between(*topology, members) > 64, !mask.links.empty());
  }
}

TEST(Ring, TakesTwiceNMinusOneRoundsAndLoadsEachLinkWithTwiceNMinusOneOverN) {
  for (const int n : {2, 3, 4, 5, 7, 8, 16}) {
    const auto topology = test::one_switch(n);
    const auto plan = plan_on(topology, "ring", CollectiveKind::all_reduce);
    ASSERT_TRUE(plan);
    EXPECT_EQ(rounds(plan->schedule), 2 * (n - 1));
    for (const auto load : link_loads(topology, plan->schedule).per_link) EXPECT_NEAR(load, 2.0 * (n - 1) / n, 1e-12);
  }
}

TEST(Ring, HalvesTakeNMinusOneRoundsAndChainsCarryThePayloadOnce) {
  const auto topology = test::one_switch(6);
  for (const auto kind : {CollectiveKind::reduce_scatter, CollectiveKind::all_gather}) {
    const auto plan = plan_on(topology, "ring", kind);
    ASSERT_TRUE(plan);
    EXPECT_EQ(rounds(plan->schedule), 5);
    for (const auto load : link_loads(topology, plan->schedule).per_link) EXPECT_NEAR(load, 5.0 / 6, 1e-12);
  }
  for (const auto kind : {CollectiveKind::broadcast, CollectiveKind::reduce}) {
    const auto plan = plan_on(topology, "ring", kind);
    ASSERT_TRUE(plan);
    EXPECT_EQ(rounds(plan->schedule), 5);
    EXPECT_NEAR(bottleneck(topology, link_loads(topology, plan->schedule)).algbw_gbps(), 100, 1e-9);
  }
}

TEST(Ring, CrossesEachNicOncePerRingAndUsesAllRails) {
  for (const int size : {4, 8}) {
    const auto topology = test::servers(2, size);
    const auto plan = plan_on(topology, "ring", CollectiveKind::all_reduce);
    ASSERT_TRUE(plan);
    // All NICs at 50 GB/s each carry one of `size` rings.
    const double n = 2 * size;
    EXPECT_NEAR(bottleneck(topology, link_loads(topology, plan->schedule)).algbw_gbps(), size * 50 * n / (2 * (n - 1)), 1e-6) << size;
  }
}

TEST(Ring, StaysInsideIslandsAsLongAsItCanAndIsOneRingOnPcie) {
  const auto topology = test::islands_over_pcie(4, 2);
  const auto plan = plan_on(topology, "ring", CollectiveKind::all_reduce);
  ASSERT_TRUE(plan);
  // One crossing into each pair and one out of it: 2 * 7/8 payloads over the port.
  const auto loads = link_loads(topology, plan->schedule);
  for (std::size_t l = 0; l < loads.per_link.size(); ++l) EXPECT_TRUE(loads.per_link[l] == 0 || std::abs(loads.per_link[l] - 1.75) < 1e-12);
  EXPECT_EQ(plan->schedule.chunks().size(), 8U);
}

TEST(Ring, FindsRingsOnMeshesOfMoreThanTenGpus) {
  // A 4 x 4 torus has two edge-disjoint Hamiltonian cycles, each usable both ways: 4 directed rings.
  std::vector<std::tuple<int, int, int>> edges;
  for (int x = 0; x < 4; ++x) {
    for (int y = 0; y < 4; ++y) {
      edges.emplace_back(4 * x + y, 4 * x + (y + 1) % 4, 1);
      edges.emplace_back(4 * x + y, 4 * ((x + 1) % 4) + y, 1);
    }
  }
  EXPECT_GE(rings_of(test::meshed(16, edges)), 2);
}

// Meshes with an even side, tori and hypercubes all have a Hamiltonian cycle.
TEST(Ring, FindsRingsOfLargeMeshesToriAndHypercubes) {
  const std::vector<std::pair<std::string, Parameters>> machines{{"mesh", {{"dims", "6x6"}}},          {"mesh", {{"dims", "16x16"}}},
                                                                 {"torus", {{"dims", "6x6x6"}}},       {"torus", {{"dims", "8x8x8"}}},
                                                                 {"hypercube", {{"dimensions", "8"}}}, {"hypercube", {{"dimensions", "9"}}}};
  for (const auto& [preset, parameters] : machines) {
    const auto topology = make_preset(preset, parameters);
    ASSERT_TRUE(topology) << describe(topology.error());
    std::vector<Rank> all;
    for (int r = 0; r < topology->ranks(); ++r) all.push_back(Rank{r});
    const auto& routes = topology->routes();
    const auto rings = find_rings(*topology, all, {.most = 1});
    ASSERT_TRUE(rings) << topology->name() << ": " << describe(rings.error());
    auto order = rings->front().order;
    for (std::size_t i = 0; i < order.size(); ++i) EXPECT_EQ(routes.between(order[i], order[(i + 1) % order.size()]).size(), 1U) << topology->name();
    std::ranges::sort(order);
    EXPECT_EQ(order, all);
  }
}

// The number that is told before a plan is listed is never above that of its steps; forests tell one, too.
// Five servers, of which one has three GPUs: 19 members, each of which reaches one more server with each crossing, the large ones first.
TEST(Ring, TakesAtLeastItsCrossingsWhereServersDifferInSize) {
  const auto topology = apply_mask(test::servers(5, 4), {.gpus = {"gpu1"}});
  ASSERT_TRUE(topology);
  const auto least = least_time_around(*topology, make_collective(CollectiveKind::all_to_all, 19), {1, 1000});
  ASSERT_TRUE(least);
  const double of_small = 3 * (4 * (1 + 2 + 3 + 4));
  const double of_large = 16 * (4 * (1 + 2 + 3) + 3 * 4);
  EXPECT_NEAR(least->count(), (of_small + of_large) * 1000 / (19 * 50e9), 1e-15);
}

// One NIC of 160 is lost, so that no cycle on offer fits: the search among all pairs ends after as many cycles as take a second.
TEST(Ring, EndsTheSearchAmongManyGpusWithoutSymmetry) {
  const auto topology = apply_mask(test::servers(20, 8), {.links = {{.from = "gpu3", .to = "nic3"}}});
  ASSERT_TRUE(topology) << describe(topology.error());
  const auto rings = find_rings(*topology, make_collective(CollectiveKind::all_reduce, topology->ranks()).members, {});
  ASSERT_TRUE(rings) << describe(rings.error());
  EXPECT_GE(rings->size(), 1U);
}

TEST(Ring, IsRefusedOnlyIfItTakesMoreStepsThanAreLookedAt) {
  for (const auto& machine : {test::one_switch(6), *make_preset("dgx-v100", {}), *make_preset("torus", {{"dims", "3x4"}})}) {
    for (const std::string planner : {"ring", "forest"}) {
      for (const auto kind : {CollectiveKind::all_reduce, CollectiveKind::reduce_scatter, CollectiveKind::all_to_all, CollectiveKind::gather}) {
        if (planner == "forest" && !reduces(kind)) continue;
        const auto collective = make_collective(kind, machine.ranks());
        const auto steps = test::plan_on(machine, planner, collective)->schedule.step_count();
        EXPECT_TRUE(test::plan_on(machine, planner, collective, {}, {.most_steps = steps})) << planner << " on " << machine.name();
        const auto refused = test::plan_on(machine, planner, collective, {}, {.most_steps = 1});
        ASSERT_FALSE(refused) << planner << " on " << machine.name();
        EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
      }
    }
  }
}

}  // namespace
}  // namespace p2plab::ring_test
