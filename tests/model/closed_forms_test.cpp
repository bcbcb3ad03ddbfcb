// SPDX-License-Identifier: Apache-2.0
// The simulator gives the closed form where one exists, to the picosecond. The ideal profile; every path of these machines takes 1 us.
#include <gtest/gtest.h>

#include <algorithm>

#include "support/simulated.h"

namespace p2plab::closed_forms_test {
namespace {

using test::at_rate;
using test::one_us;

const std::vector<int> rank_counts{2, 3, 5, 6, 7, 8, 16};
const std::vector<Bytes> sizes{Bytes{1}, Bytes{12'345}, 1_MiB, Bytes{10'000'019}};

// The largest chunk of an all_reduce over n ranks in n equal blocks.
std::int64_t largest_piece(int n, Bytes size) {
  const auto total = size.count();
  if (n == 1) return total;
  std::int64_t passed = 0;
  std::int64_t most = 0;
  for (int k = 1; k <= n; ++k) {
    const auto end = k == n ? total : total * k / n / 16 * 16;
    most = std::max(most, end - passed);
    passed = end;
  }
  return most;
}

TEST(Ring, AllReduceTakesTwiceNMinusOneRoundsOfLatencyPlusPieceOnASwitch) {
  for (const int n : rank_counts) {
    const auto machine = test::one_switch(n);
    for (const auto size : sizes) {
      const auto program = test::planned(machine, "ring", CollectiveKind::all_reduce, size, {{"rings", "1"}});
      EXPECT_EQ(test::makespan(machine, program), 2 * (n - 1) * (one_us + at_rate(largest_piece(n, size), 100))) << n << " ranks, " << size.count();
    }
  }
}

TEST(Ring, OnASwitchEqualsItsBandwidthBoundForLargePayloads) {
  const auto machine = test::one_switch(8);
  const auto program = test::planned(machine, "ring", CollectiveKind::all_reduce, 1_GiB, {{"rings", "1"}});
  const auto result = test::simulated(machine, program);
  EXPECT_EQ(result.makespan, 14 * one_us + 14 * at_rate((1 << 30) / 8, 100));  // not twice as much
  EXPECT_EQ(result.uses[0].bytes.count(), 14 * (std::int64_t{1} << 27));
}

TEST(Ring, IsTheSameOnDirectLinks) {
  for (const int n : rank_counts) {
    const auto machine = test::full_mesh(n);
    const auto program = test::planned(machine, "ring", CollectiveKind::all_gather, Bytes{n * 4096}, {{"rings", "1"}});
    EXPECT_EQ(test::makespan(machine, program), (n - 1) * (one_us + at_rate(4096, 25)));
  }
}

TEST(OneShot, TakesOneRoundOnAFullMesh) {
  for (const int n : rank_counts) {
    const auto machine = test::full_mesh(n);
    for (const auto* mode : {"push", "pull"}) {
      const auto program = test::planned(machine, "one_shot", CollectiveKind::all_reduce, 1_MiB, {{"mode", mode}});
      EXPECT_EQ(test::makespan(machine, program), one_us + at_rate(1 << 20, 25)) << n << mode;
    }
  }
}

TEST(TwoShot, TakesTwoRoundsOfAShardOnAFullMesh) {
  for (const int n : rank_counts) {
    const auto machine = test::full_mesh(n);
    const auto program = test::planned(machine, "two_shot", CollectiveKind::all_reduce, Bytes{n * 65'536}, {{"mode", "push"}});
    EXPECT_EQ(test::makespan(machine, program), 2 * (one_us + at_rate(65'536, 25))) << n;
  }
}

TEST(Doubling, TakesLogRoundsOfTheWholePayloadOnASwitch) {
  for (int rounds = 1; rounds <= 4; ++rounds) {
    const auto machine = test::one_switch(1 << rounds);
    const auto program = test::planned(machine, "halving_doubling", CollectiveKind::all_reduce, 1_MiB, {{"exchange", "doubling"}});
    EXPECT_EQ(test::makespan(machine, program), rounds * (one_us + at_rate(1 << 20, 100)));
  }
}

TEST(Chain, SlicesFollowEachOtherAsInAPipeline) {
  for (const int n : {2, 3, 5, 8, 16}) {
    const auto machine = test::line(n);
    for (const int slices : {1, 2, 7, 64}) {
      const auto program = test::lowered(machine, test::chain(n), Bytes{slices * 1024}, {.slice = 1_KiB});
      EXPECT_EQ(test::makespan(machine, program), (n - 1) * one_us + (slices + n - 2) * at_rate(1024, 25)) << n << " ranks, " << slices;
    }
  }
}

TEST(Direct, OnASwitchEqualsItsBoundUpToOneSlice) {
  const std::int64_t slice = 16 << 10;
  for (const int n : {2, 3, 4, 8}) {
    const auto machine = test::one_switch(n);
    const auto program = test::planned(machine, "one_shot", CollectiveKind::all_reduce, 4_MiB, {{"mode", "pull"}}, {.slice = Bytes{slice}});
    const auto result = test::simulated(machine, program);
    EXPECT_GE(result.makespan, one_us + at_rate((n - 1) * (4 << 20), 100));
    EXPECT_LE(result.makespan, one_us + at_rate((n - 1) * (4 << 20) + 2 * n * slice, 100)) << n;
  }
}

}  // namespace
}  // namespace p2plab::closed_forms_test
