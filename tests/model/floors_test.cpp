// SPDX-License-Identifier: Apache-2.0
// What is told of a program's time before it is made is never above that time, and often near it.
#include <gtest/gtest.h>

#include <array>
#include <memory>

#include "floors/delays.h"
#include "p2plab/machine/presets.h"
#include "p2plab/plan/builtin_planners.h"
#include "p2plab/program/packet_program.h"
#include "p2plab/simulator/chain_floor.h"
#include "p2plab/simulator/packet_floor.h"
#include "p2plab/simulator/slices_floor.h"
#include "support/random_topology.h"
#include "support/simulated.h"

namespace p2plab::floors_test {
namespace {

std::vector<Topology> machines() { return {test::one_switch(5), test::full_mesh(4), *make_preset("hgx-a100", {{"nodes", "2"}})}; }

// visit(machine, planner, kind) for all that the planners do.
template <class Visit>
void each_plan(Visit visit) {
  const auto planners = builtin_planners();
  for (const auto& machine : machines()) {
    for (const auto& planner : planners.entries()) {
      for (const auto kind : {CollectiveKind::all_reduce, CollectiveKind::all_gather, CollectiveKind::all_to_all, CollectiveKind::broadcast}) {
        if (const auto plan = test::plan_on(machine, planner.name, kind)) visit(machine, *plan);
      }
    }
  }
}

TEST(PacketFloor, IsNoMoreThanPacketsTake) {
  auto slices = test::busy_profile();
  slices.start_skew = Seconds{0};
  const Profile packets{.packet_start = Seconds{5e-7}, .packet_item = Seconds{1e-8}, .packet_tail = Seconds{1e-7}};
  double nearest = 0;
  each_plan([&](const Topology& machine, const Plan& plan) {
    const PeerAccess peer_access(machine);
    for (const auto size : {Bytes{4096}, 256_KiB}) {
      auto program = test::lowered(machine, plan.schedule, size);
      const auto traffic = packet_traffic(program);
      for (const auto wire : {PacketWire::ll, PacketWire::ll128}) {
        program.packets = std::make_shared<const PacketProgram>(make_packet_program(program, peer_access, wire));
        for (const auto& profile : {slices, packets}) {
          const auto floor = packet_floor(traffic, wire, profile);
          const auto time = to_seconds(test::simulated(machine, program, profile, {.in_a_row = true}).period);
          EXPECT_LE(floor, time) << plan.planner << " on " << machine.name() << ", " << size.count() << " bytes";
          nearest = std::max(nearest, floor / time);
        }
      }
    }
  });
  EXPECT_GT(nearest, 0.5);
}

TEST(SlicesFloor, IsNoMoreThanSlicesTake) {
  double nearest = 0;
  each_plan([&](const Topology& machine, const Plan& plan) {
    for (const auto size : {Bytes{4096}, 256_KiB}) {
      const Payload payload{.elements = size.count(), .type = DataType::int8};
      for (const auto& profile : {test::busy_profile(), Profile{}}) {
        const auto floor = slices_floor(machine, plan.schedule, payload, profile);
        for (const auto& tuning : {Tuning{}, Tuning{.blocks_per_lane = 2, .slice = Bytes{1024}}}) {
          const auto time = to_seconds(test::makespan(machine, test::lowered(machine, plan.schedule, size, tuning), profile));
          EXPECT_LE(floor, time) << plan.planner << " on " << machine.name() << ", " << size.count() << " bytes";
          nearest = std::max(nearest, floor / time);
        }
      }
    }
  });
  EXPECT_GT(nearest, 0.9);
}

// 2 (n - 1) hops, each with a loop, a flag and the link's latency.
TEST(UnlikeGpus, TellHowFarAllGpusAre) {
  const auto longest = [](const Topology& machine, const std::vector<NodeId>& senders) {
    double way = 0;
    for (const auto sender : senders) {
      const auto ways = delays(machine, std::vector{sender}, Towards::from_them, 1e-6);
      for (int r = 0; r < machine.ranks(); ++r) way = std::max(way, ways[machine.node_of(Rank{r}).index()]);
    }
    return way;
  };
  for (const auto& [name, kinds] : {std::pair{"hgx-a100:nodes=8", 1U}, std::pair{"torus:dims=8x9", 1U}, std::pair{"hgx-a100:nodes=2", 16U}}) {
    const auto machine = *resolve_topology(name);
    std::vector<NodeId> all;
    for (int r = 0; r < machine.ranks(); ++r) all.push_back(machine.node_of(Rank{r}));
    const auto unlike = unlike_gpus(machine);
    EXPECT_EQ(unlike.size(), kinds) << name;
    EXPECT_EQ(longest(machine, unlike), longest(machine, all)) << name;
  }
}

TEST(SlicesFloor, CountsTheHopsOfARing) {
  const auto machine = test::one_switch(8);
  const auto plan = test::plan_on(machine, "ring", CollectiveKind::all_reduce, {{"rings", "1"}});
  const Profile profile{.launch = Seconds{2e-6}, .signal_peer = Seconds{4e-7}, .fence = Seconds{1e-6}, .slice_cost = Seconds{2e-7}};
  const auto floor = slices_floor(machine, plan->schedule, {.elements = 1 << 20}, profile);
  EXPECT_NEAR(floor.count(), 2e-6 + 14 * (1e-6 + 2e-7) + 13 * 1.4e-6, 1e-7);
}

const Profile packets_only{.packet_start = Seconds{5e-7}, .packet_item = Seconds{1e-8}, .packet_tail = Seconds{1e-7}, .link_efficiency = 0.9};

// The chain's floor over what a call takes, of calls in a row where all give and get, by every protocol; none takes less. Zero if the planner knows
// no chain.
double nearest_to_chain(const Topology& machine, const Entry<Planner>& planner, CollectiveKind kind, Bytes size, const Parameters& given) {
  static const std::array tunings{Tuning{},
                                  Tuning{.blocks_per_lane = 2, .slice = Bytes{1024}},
                                  Tuning{.protocol = Protocol::ll},
                                  Tuning{.protocol = Protocol::ll128},
                                  Tuning{.protocol = Protocol::lamport},
                                  Tuning{.protocol = Protocol::copy}};
  double nearest = 0;
  const auto collective = make_collective(kind, machine.ranks());
  for (const auto& tuning : tunings) {
    if (tuning.protocol == Protocol::copy && reduces(kind)) continue;
    const auto type = tuning.protocol == Protocol::lamport ? DataType::float16 : DataType::int8;
    const PlanContext context{.payload = {.elements = size.count() / size_of(type), .type = type}, .parameters = given};
    const auto chain = planner.make()->chain(machine, collective, context);
    const auto plan = planner.make()->plan(machine, collective, context);
    if (!chain || !plan) continue;
    auto program = test::lowered(machine, plan->schedule, size, tuning);
    program.packets = choose_packets(program, PeerAccess(machine));
    for (const auto& profile : {test::busy_profile(), packets_only, Profile{}}) {
      const auto floor = chain_floor(*chain, machine, kind, program.payload, profile);
      const auto result = test::simulated(machine, program, profile, {.in_a_row = true});
      const auto time = to_seconds(rooted(kind) ? result.makespan : result.period);
      EXPECT_LE(floor, time) << planner.name << " on " << machine.name() << ", " << to_string(kind) << ", " << size.count() << " bytes, "
                             << to_string(tuning.protocol);
      nearest = std::max(nearest, floor / time);
    }
  }
  return nearest;
}

struct Asked {
  const char* planner;
  Parameters parameters = {};
};
const std::array chained{Asked{"bruck"}, Asked{"halving_doubling"},       Asked{"halving_doubling", {{"exchange", "doubling"}}},
                         Asked{"tree"},  Asked{"tree", {{"trees", "1"}}}, Asked{"tree", {{"arity", "1"}}}};

// The nearest of all collectives.
double nearest_to_chain(const Topology& machine, const Asked& asked, std::span<const Bytes> amounts) {
  using enum CollectiveKind;
  double nearest = 0;
  const auto planners = builtin_planners();
  const auto& planner = **planners.get("algorithm", asked.planner);
  const auto complete = *complete_parameters(planner.name, planner.parameters, asked.parameters);
  for (const auto kind : {all_reduce, all_gather, reduce_scatter, broadcast, reduce}) {
    for (const auto size : amounts) nearest = std::max(nearest, nearest_to_chain(machine, planner, kind, size, complete));
  }
  return nearest;
}

TEST(ChainFloor, IsNoMoreThanPlansTakeAndOftenNearIt) {
  const std::array amounts{Bytes{32}, Bytes{2048}, 64_KiB};
  for (const auto& machine : {test::one_switch(5), test::full_mesh(4), test::servers(2, 4)}) {
    for (const auto& asked : chained) EXPECT_GT(nearest_to_chain(machine, asked, amounts), 0.5) << asked.planner << " on " << machine.name();
  }
}

TEST(ChainFloor, IsNoMoreThanPlansTakeOnRandomMachines) {
  const std::array amounts{Bytes{48}, Bytes{20'000}};
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    test::RandomTopology random(seed);
    const auto machine = random.make();
    if (machine.ranks() <= 8) nearest_to_chain(machine, chained[seed % chained.size()], amounts);
  }
}

// Of 8 members on a switch: 3 steps each way, each with a loop and two links, and a flag between one and the next.
TEST(ChainFloor, CountsTheRoundsOfBruck) {
  const auto machine = test::one_switch(8);
  const auto planners = builtin_planners();
  const auto bruck = (*planners.get("algorithm", "bruck"))->make();
  const Payload payload{.elements = 64};
  const auto chain = bruck->chain(machine, make_collective(CollectiveKind::all_reduce, 8), {.payload = payload});
  ASSERT_TRUE(chain);
  EXPECT_EQ(chain->steps, 6);
  EXPECT_NEAR(chain->latency.count(), 6e-6, 1e-12);
  const Profile slices{
      .launch = Seconds{2e-6}, .signal_peer = Seconds{4e-7}, .poll = Seconds{1}, .fence = Seconds{1e-6}, .slice_cost = Seconds{2e-7}};
  EXPECT_NEAR(chain_floor(*chain, machine, CollectiveKind::all_reduce, payload, slices).count(), 2e-6 + 6 * (1e-6 + 2e-7) + 5 * 1.4e-6, 1e-10);
  EXPECT_FALSE(bruck->chain(machine, make_collective(CollectiveKind::all_gather, 8), {.payload = {.elements = 7}}));  // one has none
}

}  // namespace
}  // namespace p2plab::floors_test
