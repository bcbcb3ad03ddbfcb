// SPDX-License-Identifier: Apache-2.0
// Calls of a graph, of which kernels note one in so many alike: all are counted as often as they ran.
#include "journal/noted_calls.h"
#include "unit/kernels/nccl_programs/one_rank.h"

namespace p2plab::journal_captures_test {
namespace {

// So many alike calls of a graph; where each writes.
std::vector<CallJournal> graph_of(OneRank& rank, int calls, std::uint64_t capture = 11) {
  std::vector<CallJournal> places;
  for (int i = 0; i < calls; ++i) places.push_back(rank.capture(10, capture));
  return places;
}

void replay(const std::vector<CallJournal>& places, std::size_t end, std::uint64_t ns = 1000) {
  for (std::size_t i = 0; i < end; ++i) {
    if (places[i].counts != 0) OneRank::run(places[i], ns);
  }
}

int noted(const std::vector<CallJournal>& places) {
  return static_cast<int>(std::ranges::count_if(places, [](const CallJournal& place) { return place.counts != 0; }));
}

TEST(NotedCalls, AllOfAGraphAreCountedByThoseThatAreNoted) {
  OneRank rank(Level::basic, 256, false);
  const auto places = graph_of(rank, 100);
  constexpr std::size_t one_in = capi::noted_one_in(Level::basic, 0);
  EXPECT_EQ(noted(places), 7);  // 0, 16 ... 96
  for (int i = 0; i < 7; ++i) replay(places, places.size());
  rank.journal->read();
  for (int i = 0; i < 5; ++i) replay(places, places.size());
  rank.journal->read();
  const auto process = rank.record();
  ASSERT_EQ(process.replays.size(), 100U);
  for (std::size_t i = 0; i < 100; ++i) {
    const auto& each = process.replays[i];
    EXPECT_EQ(each.replays, 12U) << i;
    EXPECT_EQ(each.call.follows, i % one_in != 0) << i;
    EXPECT_GE(each.sum, 12'000U) << i;
    EXPECT_EQ(each.sum, process.replays[i / one_in * one_in].sum) << i;
    EXPECT_EQ(each.last, process.replays[i / one_in * one_in].last) << i;
  }
}

// A graph that stops half way: none has run more often than what is noted behind it.
TEST(NotedCalls, NoCallRanMoreOftenThanTheNextThatIsNoted) {
  OneRank rank(Level::basic, 256, false);
  const auto places = graph_of(rank, 70);
  for (int i = 0; i < 3; ++i) replay(places, 70);
  replay(places, 33);
  rank.journal->read();
  const auto stopped = rank.record();
  EXPECT_EQ(stopped.replays[0].replays, 4U);
  EXPECT_EQ(stopped.replays[31].replays, 4U);
  EXPECT_EQ(stopped.replays[32].replays, 4U);
  EXPECT_EQ(stopped.replays[33].replays, 3U) << "the one at 48 has not run a fourth time";
  EXPECT_EQ(stopped.replays[64].replays, 3U);
  EXPECT_LE(stopped.replays[33].sum, stopped.replays[32].sum);
  for (std::size_t i = 33; i < 70; ++i) {
    if (places[i].counts != 0) OneRank::run(places[i]);
  }
  rank.journal->read();
  for (const auto& each : rank.record().replays) EXPECT_EQ(each.replays, 4U);
}

// The first replay waits for the other ranks. A look amid a later one, when few are done, must not make a sum less: readers take differences.
TEST(NotedCalls, WhatFollowsIsAsLongAsTheRunsThatItHasMade) {
  OneRank rank(Level::basic, 64, false);
  const auto places = graph_of(rank, 17);
  replay(places, 1, 2'000'000);
  replay({places[16]}, 1);
  rank.journal->read();
  const auto first = rank.record().replays[1];
  EXPECT_EQ(first.replays, 1U);
  replay({places[0], places[16], places[0]}, 3);
  rank.journal->read();
  const auto second = rank.record();
  EXPECT_EQ(second.replays[0].replays, 3U);
  EXPECT_EQ(second.replays[1].replays, 2U);
  EXPECT_GE(second.replays[1].sum, first.sum);
  EXPECT_EQ(second.replays[1].sum, second.replays[0].sum - second.replays[0].last);
}

TEST(NotedCalls, WhatIsFusedIsNotAlike) {
  OneRank rank(Level::basic, 64, false);
  const auto plain = OneRank::call_of(4096);
  auto fused = plain;
  fused.epilogue = Epilogue{};
  EXPECT_NE(rank.capture(plain, 11).counts, 0U);
  EXPECT_NE(rank.capture(fused, 11).counts, 0U);
  fused.owners = true;
  EXPECT_NE(rank.capture(fused, 11).counts, 0U);
  EXPECT_EQ(rank.capture(plain, 11).counts, 0U);
}

// A better program may be ready while a graph is captured.
TEST(NotedCalls, TheNextIsNotedWhereAnotherProgramServes) {
  OneRank rank(Level::basic, 64, false);
  const auto call = OneRank::call_of(10);
  EXPECT_NE(rank.capture(call, 11, 4).counts, 0U);
  EXPECT_EQ(rank.capture(call, 11, 4).counts, 0U);
  EXPECT_EQ(rank.capture(call, 11, 8).counts, 0U) << "it was launched before that was known";
  EXPECT_NE(rank.capture(call, 11, 8).counts, 0U);
  EXPECT_EQ(rank.capture(call, 11, 8).counts, 0U);
}

TEST(NotedCalls, EachFormAndEachGraphHasOneAtLeast) {
  OneRank rank(Level::basic, 64, false);
  EXPECT_NE(rank.capture(10, 11).counts, 0U);
  EXPECT_EQ(rank.capture(10, 11).counts, 0U);
  EXPECT_NE(rank.capture(20, 11).counts, 0U);
  EXPECT_EQ(rank.capture(10, 11).counts, 0U);
  EXPECT_NE(rank.capture(10, 12).counts, 0U);
  EXPECT_NE(rank.capture(20, 12).counts, 0U);
}

TEST(NotedCalls, EachIsNotedWhereThatIsAskedFor) {
  OneRank rank(Level::basic, 64, true);
  EXPECT_EQ(noted(graph_of(rank, 40)), 40);
}

TEST(NotedCalls, AreFewerTheShorterTheyAre) {
  constexpr std::uint64_t kib = 1024;
  constexpr std::uint64_t mib = 1024 * kib;
  EXPECT_EQ(capi::noted_one_in(Level::basic, 64 * mib), 16U);
  EXPECT_EQ(capi::noted_one_in(Level::detailed, kib), 8U);
  EXPECT_EQ(capi::noted_one_in(Level::detailed, mib), 2U);
  EXPECT_EQ(capi::noted_one_in(Level::detailed, 64 * mib), 1U);
  EXPECT_EQ(capi::noted_one_in(Level::steps, kib), 2U);
  EXPECT_EQ(capi::noted_one_in(Level::steps, mib), 1U);
}

// A call that nobody kept is followed by none.
TEST(NotedCalls, WhatFailsIsFollowedByNone) {
  OneRank rank(Level::basic, 64, false);
  EXPECT_NE(rank.journal->of_captured(11, OneRank::call_of(10)).counts, 0U);
  rank.journal->give_up();
  const auto next = rank.capture(10);
  EXPECT_NE(next.counts, 0U);
  EXPECT_EQ(rank.capture(10).counts, 0U);
  rank.run(next);
  rank.journal->read();
  const auto process = rank.record();
  ASSERT_EQ(process.replays.size(), 2U);
  EXPECT_EQ(process.replays[1].replays, 1U);
}

TEST(NotedCalls, FromLevelDetailedOnThoseThatAreNotedAreCallsOfTheirOwn) {
  OneRank rank(Level::detailed, 64, false);
  const auto places = graph_of(rank, 20);
  EXPECT_EQ(noted(places), 3);
  for (int i = 0; i < 3; ++i) replay(places, places.size());
  rank.journal->read();
  const auto process = rank.record();
  EXPECT_EQ(std::ranges::count_if(process.calls, &RecordedCall::replayed), 3 * 3);
  for (const auto& each : process.replays) {
    EXPECT_EQ(each.replays, 3U);
    EXPECT_EQ(process.has_each_replay(each.call), !each.call.follows);
  }
}

}  // namespace
}  // namespace p2plab::journal_captures_test
