// SPDX-License-Identifier: Apache-2.0
// Closed forms of trees, halving and doubling, and direct exchanges on switches, full meshes and rings, to the picosecond; and what known
// simulators get wrong: a ring on a switch, direct on a switch, a buffer split into concurrent chunks. Every path takes 1 us (L); s is the time
// of what one step sends, t the time of a slice.
#include <gtest/gtest.h>

#include "support/simulated.h"

namespace p2plab::collective_forms_test {
namespace {

using test::at_rate;
using test::one_us;

constexpr double on_switch = 100;  // GB/s of a port
constexpr double on_link = 25;     // GB/s of a direct link

Topology ring_machine(int n) {
  std::vector<std::tuple<int, int, int>> edges;
  for (int i = 0; i < (n == 2 ? 1 : n); ++i) edges.emplace_back(i, (i + 1) % n, 1);
  return test::meshed(n, edges);
}

TEST(Tree, TakesTwoRoundsOfThePayloadForEachLevelOnAFullMesh) {
  for (int height = 1; height <= 3; ++height) {
    const auto machine = test::full_mesh((2 << height) - 1);
    for (const auto size : {Bytes{1}, Bytes{12'345}, 1_MiB}) {
      const auto program = test::planned(machine, "tree", CollectiveKind::all_reduce, size, {{"arity", "2"}});
      EXPECT_EQ(test::makespan(machine, program), 2 * height * (one_us + at_rate(size.count(), on_link))) << height;
    }
  }
}

TEST(Tree, TakesTwoPayloadsThroughAPortForEachLevelOnASwitch) {
  for (int height = 1; height <= 3; ++height) {
    const auto machine = test::one_switch((2 << height) - 1);
    const auto s = at_rate(1 << 20, on_switch);
    const auto both = test::planned(machine, "tree", CollectiveKind::all_reduce, 1_MiB, {{"arity", "2"}});
    EXPECT_EQ(test::makespan(machine, both), 2 * height * (one_us + 2 * s)) << height;
    for (const auto kind : {CollectiveKind::broadcast, CollectiveKind::reduce}) {
      const auto program = test::planned(machine, "tree", kind, 1_MiB, {{"arity", "2"}});
      EXPECT_EQ(test::makespan(machine, program), height * (one_us + 2 * s)) << height;
    }
  }
}

TEST(Tree, PipelinesItsSlices) {
  constexpr std::int64_t slice = 16 << 10;
  for (int height = 1; height <= 3; ++height) {
    for (const int slices : {1, 2, 7, 32}) {
      const auto n = (2 << height) - 1;
      const auto size = Bytes{slices * slice};
      const auto meshed = test::full_mesh(n);
      const auto over_links = test::planned(meshed, "tree", CollectiveKind::broadcast, size, {{"arity", "2"}}, {.slice = Bytes{slice}});
      EXPECT_EQ(test::makespan(meshed, over_links), height * one_us + (slices + height - 1) * at_rate(slice, on_link)) << height << " " << slices;
      const auto switched = test::one_switch(n);
      const auto over_ports = test::planned(switched, "tree", CollectiveKind::broadcast, size, {{"arity", "2"}}, {.slice = Bytes{slice}});
      EXPECT_EQ(test::makespan(switched, over_ports), height * one_us + (slices + height - 1) * 2 * at_rate(slice, on_switch))
          << height << " " << slices;
    }
  }
}

TEST(Tree, OnARingHasTwoArmsOfHalfTheRanks) {
  for (const int n : {2, 3, 5, 6, 7, 8, 16}) {
    const auto machine = ring_machine(n);
    const auto program = test::planned(machine, "tree", CollectiveKind::all_reduce, 64_KiB, {{"arity", "2"}});
    EXPECT_EQ(test::makespan(machine, program), 2 * (n / 2) * (one_us + at_rate(64 << 10, on_link))) << n;
  }
}

TEST(Ring, TakesTheSameOnARingOfLinks) {
  for (const int n : {2, 3, 5, 6, 7, 8, 16}) {
    const auto machine = ring_machine(n);
    const auto program = test::planned(machine, "ring", CollectiveKind::all_reduce, Bytes{n * 4096}, {{"rings", "1"}});
    EXPECT_EQ(test::makespan(machine, program), 2 * (n - 1) * (one_us + at_rate(4096, on_link))) << n;
  }
}

// A piece is handed on as soon as it is there. Halving: the last piece of the first round leaves after n/2 of them, then passes log2 n - 1 more
// hops. Doubling mirrors it. In all_reduce the order in which pieces are ready is the order in which they are sent on, so n/2 counts once.
TEST(HalvingDoubling, HandsPiecesOnAsTheyCome) {
  for (int rounds = 1; rounds <= 4; ++rounds) {
    const int n = 1 << rounds;
    constexpr std::int64_t piece = 4096;
    for (const bool meshed : {true, false}) {
      const auto machine = meshed ? test::full_mesh(n) : test::one_switch(n);
      const auto s = at_rate(piece, meshed ? on_link : on_switch);
      const auto time = [&](CollectiveKind kind) {
        return test::makespan(machine, test::planned(machine, "halving_doubling", kind, Bytes{n * piece}, {{"exchange", "halving"}}));
      };
      EXPECT_EQ(time(CollectiveKind::reduce_scatter), rounds * one_us + (n / 2 + rounds - 1) * s) << n;
      // From 8 ranks on, pieces of the last doubling round that are there early share the one port with those of the round before.
      if (!meshed && n > 4) continue;
      EXPECT_EQ(time(CollectiveKind::all_gather), rounds * one_us + (n / 2 + rounds - 1) * s) << n;
      EXPECT_EQ(time(CollectiveKind::all_reduce), 2 * rounds * one_us + (n / 2 + 2 * rounds - 1) * s) << n;
    }
  }
}

TEST(Pairwise, TakesOneRoundOnAFullMeshAndItsBandwidthBoundOnASwitch) {
  for (const int n : {2, 3, 5, 6, 7, 8, 16}) {
    const auto meshed = test::full_mesh(n);
    const auto switched = test::one_switch(n);
    for (const auto kind : {CollectiveKind::all_to_all, CollectiveKind::all_gather}) {
      const auto size = Bytes{n * 65'536};
      EXPECT_EQ(test::makespan(meshed, test::planned(meshed, "pairwise", kind, size)), one_us + at_rate(65'536, on_link)) << n;
      const auto result = test::simulated(switched, test::planned(switched, "pairwise", kind, size));
      EXPECT_EQ(result.makespan, one_us + (n - 1) * at_rate(65'536, on_switch)) << n;
      EXPECT_EQ(result.uses[0].busy, (n - 1) * at_rate(65'536, on_switch)) << n;  // the port never idles
    }
  }
}

// All push to rank 0 first, then to rank 1, and so on: the last one's port begins n - 2 slices late and is busy from then on.
TEST(OneShot, PushedOnASwitchIsLateBySlicesOnly) {
  constexpr std::int64_t slice = 16 << 10;
  for (const int n : {2, 3, 5, 6, 7, 8, 16}) {
    const auto machine = test::one_switch(n);
    for (const int slices : {1, 2, 16}) {
      const auto program =
          test::planned(machine, "one_shot", CollectiveKind::all_reduce, Bytes{slices * slice}, {{"mode", "push"}}, {.slice = Bytes{slice}});
      EXPECT_EQ(test::makespan(machine, program), one_us + ((n - 1) * slices + n - 2) * at_rate(slice, on_switch)) << n << " " << slices;
    }
  }
}

// The first round meets no contention (everyone starts with another owner), the second is that of one-shot.
TEST(TwoShot, OnASwitchTakesARotatedRoundAndAnOrderedOne) {
  for (const int n : {2, 3, 5, 6, 7, 8, 16}) {
    const auto machine = test::one_switch(n);
    const auto program = test::planned(machine, "two_shot", CollectiveKind::all_reduce, Bytes{n * 65'536}, {{"mode", "push"}});
    EXPECT_EQ(test::makespan(machine, program), 2 * one_us + (3 * n - 4) * at_rate(65'536, on_switch)) << n;
  }
}

TEST(Ring, OnASwitchIsWithinTwoPercentOfTheBoundForAnyNumberOfRanks) {
  for (const int n : {2, 3, 5, 8, 16}) {
    const auto machine = test::one_switch(n);
    const auto program = test::planned(machine, "ring", CollectiveKind::all_reduce, Bytes{std::int64_t{n} << 23}, {{"rings", "1"}});
    const auto bound = 2 * (n - 1) * at_rate(1 << 23, on_switch);
    EXPECT_GE(test::makespan(machine, program), bound) << n;
    EXPECT_LE(test::makespan(machine, program).count(), bound.count() + bound.count() / 50) << n;
  }
}

TEST(ConcurrentChunks, NeverFallBelowTheBandwidthBound) {
  constexpr int n = 4;
  const auto machine = test::one_switch(n);
  const auto bound = 2 * (n - 1) * at_rate(1 << 20, on_switch);
  for (const auto* planner : {"ring", "two_shot"}) {
    const auto plan = test::plan_on(machine, planner, CollectiveKind::all_reduce);
    ASSERT_TRUE(plan);
    for (const int parts : {1, 2, 4, 16, 64}) {
      for (const auto slice : {1_KiB, 16_KiB}) {
        const auto result = test::simulated(machine, test::lowered(machine, plan->schedule, 4_MiB, {.blocks_per_lane = parts, .slice = slice}));
        EXPECT_GE(result.makespan, bound) << planner << " " << parts;
        EXPECT_GE(result.bound, bound) << planner << " " << parts;
        EXPECT_LE(result.makespan, bound + 2 * (n - 1) * one_us + 2 * n * at_rate(slice.count() * parts, on_switch)) << planner << " " << parts;
      }
    }
  }
}

}  // namespace
}  // namespace p2plab::collective_forms_test
