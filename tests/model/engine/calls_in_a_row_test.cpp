// SPDX-License-Identifier: Apache-2.0
// What a call takes where calls follow each other: by hand, between the bounds that hold for every plan, and beside what two H200s measured.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "p2plab/machine/presets.h"
#include "p2plab/program/packet_program.h"
#include "support/simulated.h"

namespace p2plab::calls_in_a_row_test {
namespace {

using test::at_rate;
using test::one_us;

const Profile by_packets{.packet_start = Seconds{5e-7}, .packet_item = Seconds{1e-8}, .packet_tail = Seconds{1e-7}};
constexpr SimTime start{500'000};
constexpr SimTime operand{10'000};

SimResult in_a_row(const Topology& machine, const Program& program, const Profile& profile = by_packets) {
  return test::simulated(machine, program, profile, {.in_a_row = true});
}

// The root stores a warp of packets, 32 of 16 bytes on the wire; the reader stores a token of one packet before it polls. Of two calls that follow
// each other one goes by the data's way, one by the token's.
TEST(CallsInARow, OfABroadcastTakeTheMeanOfTheDataAndTheTokensWay) {
  const auto machine = test::full_mesh(2);
  for (const auto protocol : {Protocol::ll, Protocol::ll128}) {
    const auto program = test::planned(machine, "one_shot", CollectiveKind::broadcast, Bytes{240}, {{"mode", "push"}}, {.protocol = protocol});
    const auto result = in_a_row(machine, program);
    ASSERT_EQ(result.rank_free.size(), 2U);
    EXPECT_LT(result.rank_free[0], result.makespan) << "the root does not wait for its data to arrive";
    EXPECT_EQ(result.rank_free[1], result.makespan);
    EXPECT_GE(result.rank_free[0], start + one_us);  // the token's way
    EXPECT_EQ(result.period, (result.rank_free[0] + result.rank_free[1]) / 2);
  }
}

// One more microsecond of data on the wire is half a microsecond in each of many calls, until the link is all that counts.
TEST(CallsInARow, HideHalfOfTheTimeOnTheWire) {
  const auto machine = test::full_mesh(2);
  const auto period = [&](std::int64_t bytes) {
    return in_a_row(machine,
                    test::planned(machine, "one_shot", CollectiveKind::broadcast, Bytes{bytes}, {{"mode", "push"}}, {.protocol = Protocol::ll}),
                    Profile{.packet_start = Seconds{5e-7}})
        .period;
  };
  EXPECT_EQ(2 * (period(1 << 12) - period(1 << 11)), at_rate(2 * (1 << 11), 25));
  const auto link = at_rate(2 << 24, 25);
  EXPECT_GE(period(1 << 24), link);
  EXPECT_LE(period(1 << 24), link + link / 20);
}

// Where every rank hears from those it writes to nobody is ahead: a call takes what it takes alone.
TEST(CallsInARow, TakeWhatTheyTakeAloneWhereAllWaitForEachOther) {
  for (const int n : {1, 2, 3, 5, 8}) {
    const auto machine = test::one_switch(n);
    for (const auto* planner : {"ring", "one_shot", "two_shot"}) {
      for (const auto kind : {CollectiveKind::all_reduce, CollectiveKind::all_gather}) {
        const auto program = test::planned(machine, planner, kind, Bytes{n * 1024}, {}, {.protocol = Protocol::ll});
        const auto result = in_a_row(machine, program);
        EXPECT_EQ(result.period, result.makespan) << planner << ' ' << n;
      }
    }
  }
}

TEST(CallsInARow, TakeNoLongerThanAloneAndNoLessThanTheBusiestLink) {
  int shorter = 0;
  for (const int n : {2, 3, 5, 8, 16}) {
    const auto machine = test::one_switch(n);
    for (const auto* planner : {"ring", "tree", "one_shot", "two_shot", "forest"}) {
      for (const auto kind : {CollectiveKind::broadcast, CollectiveKind::reduce, CollectiveKind::gather, CollectiveKind::scatter}) {
        const auto plan = test::plan_on(machine, planner, kind);
        if (!plan) continue;
        for (const auto bytes : {Bytes{512}, 64_KiB, 2_MiB}) {
          const auto program = test::lowered(machine, plan->schedule, bytes, {.protocol = Protocol::ll});
          const auto result = in_a_row(machine, program);
          EXPECT_LE(result.period, result.makespan) << planner << ' ' << to_string(kind) << ' ' << n << ' ' << bytes.count();
          EXPECT_LE(result.period_at_least, result.period) << planner << ' ' << to_string(kind) << ' ' << n << ' ' << bytes.count();
          EXPECT_GE(result.period_at_least, result.busiest) << planner << ' ' << to_string(kind) << ' ' << n << ' ' << bytes.count();
          EXPECT_EQ(result.makespan, test::makespan(machine, program, by_packets));
          shorter += result.period < result.makespan ? 1 : 0;
        }
      }
    }
  }
  EXPECT_GT(shorter, 50);
}

// What is not worth playing may still be fast in a row: of two ranks only half of what bounds a call alone bounds one of many.
TEST(CallsInARow, AreNotGivenUpForWhatBoundsACallAlone) {
  const auto machine = test::full_mesh(2);
  const auto program = test::planned(machine, "one_shot", CollectiveKind::broadcast, 4_KiB, {{"mode", "push"}}, {.protocol = Protocol::ll});
  const auto all = in_a_row(machine, program);
  ASSERT_LT(all.period, all.bound);
  const auto limited = test::simulated(machine, program, by_packets, {.useful = all.period, .in_a_row = true});
  EXPECT_TRUE(limited.played);
  EXPECT_EQ(limited.period, all.period);
  EXPECT_FALSE(test::simulated(machine, program, by_packets, {.useful = all.bound / 2 - SimTime{1}, .in_a_row = true}).played);
}

// Along a chain of eight the root is seven calls ahead of the last.
TEST(CallsInARow, AlongAChainAreNotGivenUpForHalfOfItsBound) {
  const auto machine = test::one_switch(8);
  const auto program = test::planned(machine, "ring", CollectiveKind::broadcast, 4_KiB, {}, {.protocol = Protocol::ll});
  const auto all = in_a_row(machine, program);
  ASSERT_LT(2 * all.period, all.bound);
  const auto limited = test::simulated(machine, program, by_packets, {.useful = all.period, .in_a_row = true});
  EXPECT_TRUE(limited.played);
  EXPECT_EQ(limited.period, all.period);
  EXPECT_FALSE(test::simulated(machine, program, by_packets, {.useful = all.bound / 8 - SimTime{1}, .in_a_row = true}).played);
}

// Sixty hops behind the root a link has a quarter of the others' lanes. Those in front advance as if it were not there until tokens hold them up, one
// hop farther back in each call; in the long run all take what it takes.
TEST(CallsInARow, OfALongChainTakeWhatItsSlowestHopTakes) {
  constexpr int ranks = 64;
  const auto chain = [](int slow) {
    std::vector<std::tuple<int, int, int>> edges;
    for (int a = 0; a + 1 < ranks; ++a) edges.emplace_back(a, a + 1, a == slow ? 1 : 4);
    return test::meshed(ranks, edges);
  };
  const auto row_on = [](const Topology& machine) {
    return in_a_row(machine, test::planned(machine, "tree", CollectiveKind::broadcast, 256_KiB, {{"trees", "1"}}, {.protocol = Protocol::ll}));
  };
  const auto even = row_on(chain(-1));
  const auto slow = row_on(chain(60));
  const auto pair = in_a_row(test::full_mesh(2), test::planned(test::full_mesh(2), "one_shot", CollectiveKind::broadcast, 256_KiB, {{"mode", "push"}},
                                                               {.protocol = Protocol::ll}));
  EXPECT_EQ(slow.busiest, at_rate(2 * (256 << 10), 25));
  EXPECT_LT(even.period, pair.period);
  EXPECT_GE(slow.period, pair.period) << "the two ranks at the slow link do more than they would alone";
  EXPECT_LE(slow.period, pair.period + 4 * operand);
  EXPECT_LE(slow.period_at_least, slow.period);
}

// Before any rank of the first call is free, nobody begins a second one.
TEST(CallsInARow, AreGivenUpWhereTheFirstRankIsFreeTooLate) {
  const auto machine = test::one_switch(8);
  const auto program = test::planned(machine, "tree", CollectiveKind::reduce, 64_KiB, {}, {.protocol = Protocol::ll});
  const auto all = in_a_row(machine, program);
  const auto first = *std::ranges::min_element(all.rank_free);
  ASSERT_GT(first, all.busiest);
  EXPECT_GE(all.period, first);
  const auto given_up = test::simulated(machine, program, by_packets, {.useful = first - SimTime{1}, .in_a_row = true});
  EXPECT_FALSE(given_up.played);
  EXPECT_TRUE(given_up.rank_free.empty());
  EXPECT_EQ(given_up.events, 0);
  const auto enough = test::simulated(machine, program, by_packets, {.useful = all.period, .in_a_row = true});
  EXPECT_TRUE(enough.played);
  EXPECT_EQ(enough.period, all.period);
}

TEST(CallsInARow, ByLl128StartLaterByItsOwnNumber) {
  const auto machine = test::full_mesh(2);
  auto profile = by_packets;
  profile.ll128_start = Seconds{3e-7};
  for (const auto protocol : {Protocol::ll, Protocol::ll128}) {
    const auto program = test::planned(machine, "one_shot", CollectiveKind::all_gather, 4_KiB, {}, {.protocol = protocol});
    EXPECT_EQ(test::makespan(machine, program, profile) - test::makespan(machine, program, by_packets),
              SimTime{protocol == Protocol::ll128 ? 300'000 : 0});
  }
}

// experiments/measured/sweep_2gpu_h200: bfloat16, 1 KiB to 512 MiB by factors of 2, us. None of it is fitted.
TEST(CallsInARow, OfBroadcastsArePredictedAsTwoH200sMeasuredThem) {
  const auto machine = *make_preset("hgx-h200", {{"gpus", "2"}});
  const auto profile = *load_profile(P2PLAB_SOURCE_DIR "/profiles/h200.yaml");
  const std::vector<double> measured{1.580, 1.614, 1.650, 1.684, 1.716, 1.761, 1.845, 2.236, 2.465, 2.992, 4.122, 7.952, 14.28, 26.47, 51.00};
  double sum = 0;
  double worst = 0;
  for (std::size_t i = 0; i < measured.size(); ++i) {
    const Payload payload{.elements = std::int64_t{512} << i, .type = DataType::bfloat16};
    const auto plan = test::plan_on(machine, "ring", make_collective(CollectiveKind::broadcast, 2), {}, {.payload = payload});
    const auto proof = *verify(machine, plan->schedule);
    const auto program = *lower(plan->schedule, proof, payload, {.protocol = payload.size() <= 64_KiB ? Protocol::ll : Protocol::ll128});
    const auto error = std::abs(microseconds(to_seconds(in_a_row(machine, program, profile).period)) / measured[i] - 1);
    sum += error;
    worst = std::max(worst, error);
  }
  EXPECT_LE(sum / static_cast<double>(measured.size()), 0.03);
  EXPECT_LE(worst, 0.08);
}

}  // namespace
}  // namespace p2plab::calls_in_a_row_test
