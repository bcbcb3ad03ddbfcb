// The three engines beside each other: same program, same kind of result.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "../support/simulated.h"

namespace p2plab {
namespace {

using testing::at_rate;
using testing::one_us;

SimTime by(SimEngine engine, const Topology& machine, const Program& program, const Profile& profile = {}) {
  return testing::simulated(machine, program, profile, {.engine = engine}).makespan;
}

TEST(Engines, HaveNames) {
  for (const auto engine : {SimEngine::events, SimEngine::max_min, SimEngine::path}) EXPECT_EQ(*sim_engine(to_string(engine)), engine);
  EXPECT_FALSE(sim_engine("maxmin"));
}

TEST(Engines, AgreeWhereNothingIsShared) {
  for (const int n : {2, 3, 5, 8}) {
    const auto machine = testing::one_switch(n);
    const auto program = testing::planned(machine, "ring", CollectiveKind::all_reduce, Bytes{n * 65'536}, {{"rings", "1"}});
    const auto expected = 2 * (n - 1) * (one_us + at_rate(65'536, 100));
    for (const auto engine : {SimEngine::events, SimEngine::max_min, SimEngine::path}) EXPECT_EQ(by(engine, machine, program), expected) << to_string(engine) << n;
  }
}

TEST(MaxMin, LeavesToTheFastWhatTheSlowCannotUse) {
  auto builder = testing::with_gpus("uneven", 4);
  const auto slow = builder.add_link({NodeId{0}, NodeId{1}, LinkKind::pcie, GBps(1), Seconds{0}});
  const auto fast = builder.add_link({NodeId{2}, NodeId{3}, LinkKind::pcie, GBps(10), Seconds{0}});
  builder.add_group({.name = "bus", .bandwidth = GBps(10), .links = {slow, fast}});
  const auto machine = testing::built(std::move(builder));
  const auto program = testing::lowered(machine, testing::pairs(4, {{Rank{0}, Rank{1}}, {Rank{2}, Rank{3}}}), 1_MiB);
  const auto result = testing::simulated(machine, program, {}, {.engine = SimEngine::max_min});
  EXPECT_EQ(result.rank_finish[0], at_rate(1 << 20, 1));
  EXPECT_EQ(result.rank_finish[2], at_rate(1 << 20, 9));   // what the slow one leaves of the bus
}

TEST(MaxMin, SharesALinkAmongFlowsThatEndOneAfterAnother) {
  const auto machine = testing::one_switch(4);
  auto program = testing::lowered(machine, testing::pairs(4, {{Rank{0}, Rank{3}}, {Rank{1}, Rank{3}}, {Rank{2}, Rank{3}}}), Bytes{3'000'000});
  program.instructions[0].bytes = 1'000'000;
  program.instructions[1].bytes = 2'000'000;
  const auto result = testing::simulated(machine, program, {}, {.engine = SimEngine::max_min});
  EXPECT_EQ(result.rank_finish[0], one_us + at_rate(3'000'000, 100));   // a third each
  EXPECT_EQ(result.rank_finish[1], one_us + at_rate(5'000'000, 100));   // then a half
  EXPECT_EQ(result.rank_finish[2], one_us + at_rate(6'000'000, 100));   // then all
}

TEST(Engines, EventsBySlicesAreWithinOneAndAHalfPercentOfFairSharingOnRandomTraffic) {
  std::mt19937_64 random(3);
  for (int set = 0; set < 60; ++set) {
    const int ranks = 4 + set % 13;
    std::vector<std::pair<Rank, Rank>> who;
    for (int f = 0; f < 3 * ranks; ++f) {
      const auto from = static_cast<int>(random() % static_cast<std::uint64_t>(ranks));
      const auto to = (from + 1 + static_cast<int>(random() % static_cast<std::uint64_t>(ranks - 1))) % ranks;
      const std::pair pair{Rank{from}, Rank{to}};
      if (std::ranges::find(who, pair) == who.end()) who.push_back(pair);
    }
    const auto machine = testing::one_switch(ranks);
    const auto fair = by(SimEngine::max_min, machine, testing::lowered(machine, testing::pairs(ranks, who), 16_MiB));
    const auto sliced = by(SimEngine::events, machine, testing::lowered(machine, testing::pairs(ranks, who), 16_MiB, {.slice = 128_KiB}));
    EXPECT_NEAR(static_cast<double>(sliced.count()), static_cast<double>(fair.count()), 0.015 * static_cast<double>(fair.count())) << set;
  }
}

TEST(Path, IsNeverAboveTheOthers) {
  for (const auto* planner : {"ring", "tree", "one_shot", "two_shot", "halving_doubling"}) {
    const auto machine = testing::one_switch(8);
    const auto program = testing::planned(machine, planner, CollectiveKind::all_reduce, 1_MiB, {}, {.parts = 2, .slice = 32_KiB});
    const auto path = testing::simulated(machine, program, {}, {.engine = SimEngine::path});
    EXPECT_LE(path.makespan, by(SimEngine::events, machine, program)) << planner;
    EXPECT_LE(path.makespan, by(SimEngine::max_min, machine, program)) << planner;
    EXPECT_EQ(path.transfers, testing::simulated(machine, program).transfers) << planner;
  }
}

TEST(Engines, OfTheirOwnHaveNoRecording) {
  const auto machine = testing::line(2);
  const auto program = testing::lowered(machine, testing::chain(2), 1_KiB);
  const auto result = simulate(machine, Routes{machine}, program, {}, {.engine = SimEngine::max_min, .record = true});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message, "recordings and the times of steps need the engine 'events'");
}

}  // namespace
}  // namespace p2plab
