// SPDX-License-Identifier: Apache-2.0
// What is told of a program's time before it is made is never above that time, and often near it.
#include <gtest/gtest.h>

#include <memory>

#include "floors/delays.h"
#include "p2plab/machine/presets.h"
#include "p2plab/plan/builtin_planners.h"
#include "p2plab/program/packet_program.h"
#include "p2plab/simulator/packet_floor.h"
#include "p2plab/simulator/slices_floor.h"
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

}  // namespace
}  // namespace p2plab::floors_test
