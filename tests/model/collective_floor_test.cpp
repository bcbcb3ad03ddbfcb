// SPDX-License-Identifier: Apache-2.0
// No program takes less than the bound that counts latency says, and best ones take no more.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "p2plab/machine/presets.h"
#include "p2plab/program/packet_program.h"
#include "p2plab/simulator/collective_floor.h"
#include "support/random_topology.h"
#include "support/simulated.h"

namespace p2plab::collective_floor_test {
namespace {

constexpr std::array all_kinds{CollectiveKind::all_reduce, CollectiveKind::all_gather, CollectiveKind::reduce_scatter, CollectiveKind::broadcast,
                               CollectiveKind::reduce,     CollectiveKind::gather,     CollectiveKind::scatter,        CollectiveKind::all_to_all};

Profile packet_profile() {
  return {.packet_start = Seconds{5e-7}, .packet_item = Seconds{1e-8}, .packet_tail = Seconds{1e-7}, .link_efficiency = 0.9};
}

std::vector<KindFloor> floors_of(const Topology& machine, CollectiveKind kind, const Payload& payload, const Profile& profile) {
  const auto collective = make_collective(kind, machine.ranks());
  const auto least = bound(machine, collective);
  return least ? collective_floors(machine, collective, *least, payload, profile) : std::vector<KindFloor>{};
}

// The floor of a program's kind over what it takes; no program is faster.
double nearness(const Topology& machine, CollectiveKind kind, const Program& program, const Profile& profile, const std::string& planner) {
  const auto floors = floors_of(machine, kind, program.payload, profile);
  const auto* mine = floor_of(floors, kind_of(machine, program));
  if (mine == nullptr) return 0;
  const auto time = to_seconds(test::makespan(machine, program, profile));
  const auto what = fmt::format("{} by {} on {}, {} bytes, {}: {}", to_string(kind), planner, machine.name(), program.payload.size().count(),
                                to_string(mine->kind), mine->because);
  EXPECT_LE(mine->time, time) << what;
  EXPECT_LE(least_floor(floors)->time, mine->time) << what;
  return mine->time / time;
}

// All planners, collectives and protocols on one machine; the nearest that some plan comes to its floor.
double nearest_on(const Topology& machine, std::span<const Bytes> amounts, std::span<const Profile> profiles, std::span<const CollectiveKind> kinds) {
  static const std::array tunings{Tuning{},
                                  Tuning{.blocks_per_lane = 2, .slice = Bytes{1024}},
                                  Tuning{.protocol = Protocol::ll},
                                  Tuning{.protocol = Protocol::ll128},
                                  Tuning{.protocol = Protocol::lamport},
                                  Tuning{.protocol = Protocol::copy}};
  double nearest = 0;
  const auto planners = builtin_planners();
  for (const auto& planner : planners.entries()) {
    for (const auto kind : kinds) {
      const auto plan = test::plan_on(machine, planner.name, kind);
      if (!plan) continue;
      for (const auto size : amounts) {
        for (const auto& tuning : tunings) {
          if (tuning.protocol == Protocol::copy && reduces(kind)) continue;
          auto program = test::lowered(machine, plan->schedule, size, tuning);
          program.packets = choose_packets(program, PeerAccess(machine));
          for (const auto& profile : profiles) nearest = std::max(nearest, nearness(machine, kind, program, profile, planner.name));
        }
      }
    }
  }
  return nearest;
}

TEST(CollectiveFloor, IsNoMoreThanAnyProgramTakesOnKnownMachines) {
  const std::array amounts{Bytes{2048}, 256_KiB};
  const std::array profiles{test::busy_profile(), packet_profile()};
  for (const auto& machine : {test::one_switch(3), test::line(4), test::servers(2, 2)})
    EXPECT_GT(nearest_on(machine, amounts, profiles, all_kinds), 0.9) << machine.name();
}

TEST(CollectiveFloor, IsNoMoreThanAnyProgramTakesOnRandomMachines) {
  const std::array amounts{Bytes{48}, Bytes{20'000}};
  const std::array profiles{test::busy_profile()};
  for (std::uint64_t seed = 1; seed <= 16; ++seed) {
    test::RandomTopology random(seed);
    const auto machine = random.make();
    if (machine.ranks() > 8) continue;
    const std::array kinds{all_kinds[seed % all_kinds.size()], CollectiveKind::all_reduce};
    nearest_on(machine, amounts, profiles, kinds);
  }
}

const Profile steps{
    .launch = Seconds{1e-6}, .signal_peer = Seconds{4e-7}, .fence = Seconds{1.2e-6}, .slice_cost = Seconds{1.5e-7}, .read_request = 1};

// A launch, a step for each hop, a flag between hops, the links' latencies.
TEST(CollectiveFloor, IsMetByABroadcastAlongALine) {
  const auto machine = test::line(4);
  const auto program = test::lowered(machine, test::chain(4), Bytes{64});
  const auto floors = floors_of(machine, CollectiveKind::broadcast, program.payload, steps);
  const auto latency = machine.links().front().latency.count();
  EXPECT_NEAR(floor_of(floors, ProgramKind::pushed)->time.count(), 1e-6 + 3 * (1.5e-7 + latency) + 2 * 1.6e-6, 1e-8);
  EXPECT_NEAR(to_seconds(test::makespan(machine, program, steps)) / floor_of(floors, ProgramKind::pushed)->time, 1, 0.02);
}

// Where no token finds a way back, packets' protocols run slice by slice, and a poll is all that a hop waits for.
TEST(CollectiveFloor, CountsPollsWhereTokensFindNoWayBack) {
  auto builder = test::with_gpus("one way", 3);
  for (const int g : {0, 1}) builder.add_link({NodeId{g}, NodeId{g + 1}, LinkKind::nvlink, GBps(100), Seconds{1e-6}});
  const auto machine = test::built(std::move(builder));
  auto polls = steps;
  polls.poll = Seconds{2e-7};
  auto program = test::lowered(machine, test::chain(3), Bytes{64}, {.protocol = Protocol::ll});
  program.packets = choose_packets(program, PeerAccess(machine));
  ASSERT_EQ(kind_of(machine, program), ProgramKind::polled);
  const auto floors = floors_of(machine, CollectiveKind::broadcast, program.payload, polls);
  EXPECT_NEAR(floor_of(floors, ProgramKind::polled)->time.count(), 1e-6 + 2 * (1.5e-7 + 1e-6) + 2e-7, 1e-8);
  EXPECT_NEAR(to_seconds(test::makespan(machine, program, polls)) / floor_of(floors, ProgramKind::polled)->time, 1, 0.02);
}

// Two servers of q GPUs, S bytes, a network of B bytes per second for each GPU, as wide for all: what passes while only one GPU's data, or for one
// GPU only, can pass, counts 1 / q.
TEST(CollectiveFloor, CountsWhatPassesEarlyAndLateByTheGpusOfAServer) {
  const auto machine = *make_preset("hgx-a100", {{"nodes", "2"}, {"nic", "10 GB/s"}});
  const Payload payload{.elements = 1 << 24, .type = DataType::float32};
  const auto floors = floors_of(machine, CollectiveKind::all_reduce, payload, steps);
  const double way = 2 * (0.36e-6 + 1.3e-6);
  const double inner = 1e-6 + 1.6e-6 + 1.5e-7;
  const double bytes = static_cast<double>(payload.size().count()) / (8 * 10e9);
  EXPECT_NEAR(floor_of(floors, ProgramKind::pushed)->time.count(), 1e-6 + 1.5e-7 + way + bytes + 2 * inner * 7 / 8, 1e-8);
}

// Read inside servers, an own GPU's data takes a request more and a flag less; what enters a server is stored and flagged.
TEST(CollectiveFloor, CountsAFlagBehindTheNetworkWhereOnlyServersAreReadInside) {
  const auto machine = *make_preset("hgx-a100", {{"nodes", "2"}, {"nic", "10 GB/s"}});
  const Payload payload{.elements = 1 << 24, .type = DataType::float32};
  const auto floors = floors_of(machine, CollectiveKind::all_reduce, payload, steps);
  const double way = 2 * (0.36e-6 + 1.3e-6);
  const double before = 1e-6 + 1e-6;
  const double after = 1e-6 + 1.6e-6 + 1.5e-7;
  const double bytes = static_cast<double>(payload.size().count()) / (8 * 10e9);
  EXPECT_NEAR(floor_of(floors, ProgramKind::inside)->time.count(), 1e-6 + 1.5e-7 + way + bytes + (before + after) * 7 / 8, 1e-8);
}

// Of each kind that reads inside, and of those that do not: no program is below its own; all-reduce comes near.
TEST(CollectiveFloor, IsNoMoreThanProgramsTakeThatReadInsideServers) {
  double nearest = 0;
  for (const auto nodes : {"2", "3", "18"}) {
    const auto machine = *make_preset("hgx-a100", {{"nodes", nodes}, {"gpus", "4"}});
    const auto plan = test::plan_on(machine, "hierarchical", CollectiveKind::all_reduce, {{"inside", "read"}});
    ASSERT_TRUE(plan);
    for (const auto size : {Bytes{4096}, 64_KiB, 1_MiB}) {
      for (const auto slice : {Bytes{512}, Bytes{4096}}) {
        const auto program = test::lowered(machine, plan->schedule, size, {.slice = slice});
        ASSERT_EQ(kind_of(machine, program), ProgramKind::inside);
        for (const auto& profile : {steps, test::busy_profile()})
          nearest = std::max(nearest, nearness(machine, CollectiveKind::all_reduce, program, profile, "hierarchical inside=read"));
      }
    }
  }
  EXPECT_GT(nearest, 0.85);
}

// What takes a second hop over the network can only begin when the first is over; without it each server must hear all others.
TEST(CollectiveFloor, CountsTwoHopsOverTheNetworkUnlessEachHearsAll) {
  const auto machine = *make_preset("hgx-a100", {{"nodes", "16"}});
  const auto time = [&](std::int64_t elements) {
    return floor_of(floors_of(machine, CollectiveKind::all_reduce, {.elements = elements}, steps), ProgramKind::pushed)->time.count();
  };
  const double way = 2 * (0.36e-6 + 1.3e-6);
  EXPECT_LT(time(64), 1e-6 + 1.5e-7 + way + 1e-6 + 2 * 2.75e-6);
  EXPECT_GT(time(16384), 1e-6 + 2 * (1.5e-7 + way) + 1.6e-6);
}

// A byte leaves the root's server once and needs another hop, or it leaves once for each other server; sums come back alike.
TEST(CollectiveFloor, CountsASecondHopBehindTheWaysOfTheRootsServer) {
  const auto machine = *make_preset("hgx-a100", {{"nodes", "16"}, {"nic", "10 GB/s"}});
  const Payload payload{.elements = 1 << 24, .type = DataType::float32};
  const double way = 2 * (0.36e-6 + 1.3e-6);
  const double relay = way + 1.6e-6 + 1.5e-7;
  const double bytes = static_cast<double>(payload.size().count()) / (8 * 10e9);
  for (const auto kind : {CollectiveKind::broadcast, CollectiveKind::reduce}) {
    const auto floors = floors_of(machine, kind, payload, steps);
    EXPECT_NEAR(floor_of(floors, ProgramKind::pushed)->time.count(), 1e-6 + 1.5e-7 + way + bytes + relay * 14 / 15, 1e-8) << to_string(kind);
  }
}

TEST(CollectiveFloor, IsNearlyMetByTreesThatShareTheSending) {
  double nearest = 0;
  for (const auto* nodes : {"2", "3", "8"}) {
    const auto machine = *make_preset("hgx-a100", {{"nodes", nodes}, {"gpus", "4"}});
    for (const auto kind : {CollectiveKind::broadcast, CollectiveKind::reduce}) {
      for (const auto size : {64_KiB, 8_MiB}) {
        PlanContext context;
        context.payload = {.elements = size.count() / 4};
        const auto plan = test::plan_on(machine, "hierarchical", make_collective(kind, machine.ranks()), {{"across", "tree"}}, context);
        ASSERT_TRUE(plan) << describe(plan.error());
        const auto program = test::lowered(machine, plan->schedule, size, plan->tuning);
        for (const auto& profile : {steps, test::busy_profile()})
          nearest = std::max(nearest, nearness(machine, kind, program, profile, "hierarchical across=tree"));
      }
    }
  }
  EXPECT_GT(nearest, 0.9);
}

TEST(CollectiveFloor, IsNoneWhereNothingMoves) {
  EXPECT_TRUE(floors_of(test::one_switch(4), CollectiveKind::all_reduce, {.elements = 0}, steps).empty());
}

}  // namespace
}  // namespace p2plab::collective_floor_test
