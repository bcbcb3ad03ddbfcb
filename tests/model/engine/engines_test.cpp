// SPDX-License-Identifier: Apache-2.0
// The three engines beside each other: same program, same kind of result.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>

#include "support/flows.h"
#include "support/simulated.h"

namespace p2plab::engines_test {
namespace {

using test::at_rate;
using test::one_us;

SimTime by(SimEngine engine, const Topology& machine, const Program& program, const Profile& profile = {}) {
  return test::simulated(machine, program, profile, {.engine = engine}).makespan;
}

TEST(Engines, HaveNames) {
  for (const auto engine : {SimEngine::events, SimEngine::max_min, SimEngine::path}) EXPECT_EQ(*sim_engine(to_string(engine)), engine);
  EXPECT_FALSE(sim_engine("maxmin"));
}

TEST(Engines, AgreeWhereNothingIsShared) {
  for (const int n : {2, 3, 5, 8}) {
    const auto machine = test::one_switch(n);
    const auto program = test::planned(machine, "ring", CollectiveKind::all_reduce, Bytes{n * 65'536}, {{"rings", "1"}});
    const auto expected = 2 * (n - 1) * (one_us + at_rate(65'536, 100));
    for (const auto engine : {SimEngine::events, SimEngine::max_min, SimEngine::path})
      EXPECT_EQ(by(engine, machine, program), expected) << to_string(engine) << n;
  }
}

TEST(MaxMin, LeavesToTheFastWhatTheSlowCannotUse) {
  auto builder = test::with_gpus("uneven", 4);
  const auto slow = builder.add_link({NodeId{0}, NodeId{1}, LinkKind::pcie, GBps(1), Seconds{0}});
  const auto fast = builder.add_link({NodeId{2}, NodeId{3}, LinkKind::pcie, GBps(10), Seconds{0}});
  builder.add_group({.name = "bus", .bandwidth = GBps(10), .links = {slow, fast}});
  const auto machine = test::built(std::move(builder));
  const auto program = test::lowered(machine, test::pairs(4, {{Rank{0}, Rank{1}}, {Rank{2}, Rank{3}}}), 1_MiB);
  const auto result = test::simulated(machine, program, {}, {.engine = SimEngine::max_min});
  EXPECT_EQ(result.rank_finish[0], at_rate(1 << 20, 1));
  EXPECT_EQ(result.rank_finish[2], at_rate(1 << 20, 9));  // what the slow one leaves of the bus
}

// A budget that the links into and out of a switch share: what passes takes it twice.
TEST(MaxMin, WhatPassesABudgetTwiceTakesItTwice) {
  auto builder = test::with_gpus("shared port", 2);
  const auto fabric = builder.add_node({.name = "switch", .kind = NodeKind::nvswitch});
  const auto in = builder.add_link({NodeId{0}, fabric, LinkKind::nvlink, GBps(100), Seconds{0}});
  const auto out = builder.add_link({fabric, NodeId{1}, LinkKind::nvlink, GBps(100), Seconds{0}});
  builder.add_group({.name = "port", .bandwidth = GBps(100), .links = {in, out}});
  const auto machine = test::built(std::move(builder));
  const auto program = test::lowered(machine, test::pairs(2, {{Rank{0}, Rank{1}}}), 1_MiB);
  EXPECT_EQ(by(SimEngine::max_min, machine, program), at_rate(1 << 20, 50));
}

TEST(MaxMin, SharesALinkAmongFlowsThatEndOneAfterAnother) {
  const auto machine = test::one_switch(4);
  auto program = test::lowered(machine, test::pairs(4, {{Rank{0}, Rank{3}}, {Rank{1}, Rank{3}}, {Rank{2}, Rank{3}}}), Bytes{3'000'000});
  program.instructions[0].bytes = 1'000'000;
  program.instructions[1].bytes = 2'000'000;
  const auto result = test::simulated(machine, program, {}, {.engine = SimEngine::max_min});
  EXPECT_EQ(result.rank_finish[0], one_us + at_rate(3'000'000, 100));  // a third each
  EXPECT_EQ(result.rank_finish[1], one_us + at_rate(5'000'000, 100));  // then a half
  EXPECT_EQ(result.rank_finish[2], one_us + at_rate(6'000'000, 100));  // then all
}

// A link serves its flows in turn, and a flow that must wait further on holds its sender back, not others. Flows are up to 64 or 128 slices long:
// what is left is the last slice's turn.
TEST(Engines, EventsBySlicesAreWithinOneAndAHalfPercentOfFairSharingOnRandomTraffic) {
  std::mt19937_64 random(7);
  for (int set = 0; set < 240; ++set) {
    const auto [slice, most] =
        std::array{std::pair{1_MiB, 64_MiB}, std::pair{512_KiB, 64_MiB}, std::pair{128_KiB, 16_MiB}}[static_cast<std::size_t>(set) % 3];
    const int ranks = 2 + set % 15;
    const auto machine = test::one_switch(ranks);
    const auto count = 1 + static_cast<int>(random() % static_cast<std::uint64_t>(3 * ranks));
    const auto flows = test::random_flows(random, ranks, count, most);
    const auto fair = static_cast<double>(by(SimEngine::max_min, machine, test::program_of(flows, ranks, Bytes{0})).count());
    const auto sliced = static_cast<double>(by(SimEngine::events, machine, test::program_of(flows, ranks, slice)).count());
    EXPECT_NEAR(sliced, fair, 0.015 * fair) << "set " << set << ", " << count << " flows between " << ranks;
  }
}

TEST(Path, IsNeverAboveTheOthers) {
  for (const auto* planner : {"ring", "tree", "one_shot", "two_shot", "halving_doubling"}) {
    const auto machine = test::one_switch(8);
    const auto program = test::planned(machine, planner, CollectiveKind::all_reduce, 1_MiB, {}, {.blocks_per_lane = 2, .slice = 32_KiB});
    const auto path = test::simulated(machine, program, {}, {.engine = SimEngine::path});
    EXPECT_LE(path.makespan, by(SimEngine::events, machine, program)) << planner;
    EXPECT_LE(path.makespan, by(SimEngine::max_min, machine, program)) << planner;
    EXPECT_EQ(path.transfers, test::simulated(machine, program).transfers) << planner;
  }
}

void expect_same_with_and_without_skipping(const Topology& machine, const Program& program, const Profile& profile, const std::string& what) {
  const auto skipped = test::simulated(machine, program, profile);
  const auto played = test::simulated(machine, program, profile, {.skip = false});
  EXPECT_EQ(skipped.rank_finish, played.rank_finish) << what;
  EXPECT_EQ(skipped.transfers, played.transfers) << what;
  EXPECT_EQ(skipped.events, played.events) << what;
  for (std::size_t u = 0; u < played.uses.size(); ++u) {
    EXPECT_EQ(skipped.uses[u].busy, played.uses[u].busy) << what << ' ' << played.uses[u].name;
    EXPECT_EQ(skipped.uses[u].bytes, played.uses[u].bytes) << what << ' ' << played.uses[u].name;
  }
}

TEST(SteadyState, SkippedGivesWhatPlayedGives) {
  for (const auto& machine : {test::one_switch(3), test::one_switch(8), test::full_mesh(4), test::servers(2, 3)}) {
    for (const auto* planner : {"ring", "tree", "two_shot", "hierarchical", "halving_doubling"}) {
      const auto plan = test::plan_on(machine, planner, CollectiveKind::all_reduce);
      if (!plan) continue;
      for (const auto& profile : {Profile{}, test::busy_profile()}) {
        for (const auto& tuning :
             {Tuning{.slice = 4_KiB}, Tuning{.blocks_per_lane = 3, .slice = 4_KiB}, Tuning{.slices = 300, .lane_per_step = true}}) {
          const auto program = test::lowered(machine, plan->schedule, Bytes{3'333'333}, tuning);
          expect_same_with_and_without_skipping(machine, program, profile,
                                                planner + machine.name() + profile.name + std::to_string(tuning.blocks_per_lane));
        }
      }
    }
  }
}

// By packets works come again, wave after wave: their rounds are skipped, too.
TEST(SteadyState, OfPacketsSkippedGivesWhatPlayedGives) {
  auto costly = test::busy_profile();
  costly.packet_start = Seconds{1e-6};
  costly.packet_item = Seconds{1e-7};
  costly.packet_tail = Seconds{3e-8};
  for (const auto& machine : {test::one_switch(2), test::one_switch(4), test::full_mesh(3)}) {
    for (const auto* planner : {"one_shot", "two_shot", "ring", "tree"}) {
      const auto plan = test::plan_on(machine, planner, CollectiveKind::all_reduce);
      if (!plan) continue;
      for (const auto protocol : {Protocol::ll, Protocol::lamport}) {
        const auto program = test::lowered(machine, plan->schedule, 24_MiB, {.protocol = protocol});
        for (const auto& profile : {costly, Profile{.packet_start = Seconds{1e-6}, .packet_item = Seconds{1e-9}}})
          expect_same_with_and_without_skipping(machine, program, profile, planner + machine.name() + profile.name);
      }
    }
  }
}

TEST(SteadyState, OfRandomTrafficSkippedGivesWhatPlayedGives) {
  std::mt19937_64 random(11);
  for (int set = 0; set < 40; ++set) {
    const int ranks = 2 + set % 6;
    std::vector<std::pair<Rank, Rank>> who;
    for (int f = 0; f < ranks; ++f) {
      const auto from = static_cast<int>(random() % static_cast<std::uint64_t>(ranks));
      const std::pair pair{Rank{from}, Rank{(from + 1 + static_cast<int>(random() % static_cast<std::uint64_t>(ranks - 1))) % ranks}};
      if (std::ranges::find(who, pair) == who.end()) who.push_back(pair);
    }
    const auto machine = test::one_switch(ranks);
    auto program = test::lowered(machine, test::pairs(ranks, who), 4_MiB, {.slice = 8_KiB});
    for (auto& instruction : program.instructions) instruction.bytes -= static_cast<std::int64_t>(random() % (3 << 20));
    expect_same_with_and_without_skipping(machine, program, set % 2 == 0 ? Profile{} : test::busy_profile(), std::to_string(set));
  }
}

TEST(SteadyState, MakesAChainOfMillionsOfSlicesCheap) {
  const int n = 4;
  const auto machine = test::line(n);
  const std::int64_t slices = 2'000'000;
  const auto program = test::lowered(machine, test::chain(n), Bytes{slices * 1024}, {.slice = 1_KiB});
  const auto one = test::makespan(machine, test::lowered(machine, test::chain(n), 1_KiB));
  const auto rate = machine.links()[0].bandwidth;
  EXPECT_EQ(test::makespan(machine, program), one + (slices - 1) * transfer_time(1_KiB, rate));
}

TEST(Engines, OfTheirOwnHaveNoRecording) {
  const auto machine = test::line(2);
  const auto program = test::lowered(machine, test::chain(2), 1_KiB);
  const auto result = simulate(machine, program, {}, {.engine = SimEngine::max_min, .record = true});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message, "recordings and the times of steps need the engine 'events'");
}

}  // namespace
}  // namespace p2plab::engines_test
