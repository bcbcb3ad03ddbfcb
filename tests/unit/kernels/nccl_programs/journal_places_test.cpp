// SPDX-License-Identifier: Apache-2.0
// Places of captured calls in a journal: how many there are, and who gets one again.
#include "unit/kernels/nccl_programs/one_rank.h"

namespace p2plab::journal_places_test {
namespace {

TEST(Journal, CapturesForWhichThereIsNoRoomAreCounted) {
  OneRank rank(Level::basic, 3);
  for (int i = 0; i < 5; ++i) rank.run(rank.capture(10));
  rank.journal->read();
  const auto process = rank.record();
  EXPECT_EQ(process.replays.size(), 3U);
  EXPECT_EQ(process.not_counted, 2U);
}

TEST(Journal, PlacesOfGraphsThatAreGoneServeOthersWhereThereIsNoRoomElse) {
  OneRank rank(Level::basic, Journal::captured);
  const auto first = rank.capture(10);
  for (std::uint32_t i = 1; i < Journal::captured; ++i) rank.capture(20, 12);
  for (int i = 0; i < 5; ++i) rank.run(first, 1000);
  EXPECT_EQ(rank.capture(30, 13).counts, 0U);
  rank.journal->gone()->add(11);
  rank.journal->read();
  EXPECT_EQ(rank.record().replays.at(0).replays, 5U);  // what it came to is still there
  for (int i = 0; i < 60; ++i) rank.journal->read();
  const auto again = rank.capture(40, 14);
  EXPECT_EQ(again.counts, first.counts);
  for (int i = 0; i < 3; ++i) rank.run(again);
  rank.journal->read();
  const auto process = rank.record();
  ASSERT_EQ(process.replays.size(), Journal::captured);
  EXPECT_EQ(process.replays[0].call.count, 40U);
  EXPECT_EQ(process.replays[0].capture, 14U);
  EXPECT_EQ(process.replays[0].replays, 3U);
  EXPECT_EQ(process.not_counted, 1U);
  EXPECT_EQ(rank.capture(50, 15).counts, 0U);
}

TEST(Journal, RoomOfACommunicatorThatIsGoneServesOthers) {
  OneRank rank(Level::basic, 4);
  for (int i = 0; i < 4; ++i) rank.capture(10);
  rank.journal.emplace(*rank.recorder, rank.side, std::make_unique<JournalOnTheHost>(), true);
  rank.run(rank.capture(50));
  rank.journal->read();
  const auto process = rank.record();
  EXPECT_EQ(process.not_counted, 0U);
  ASSERT_EQ(process.replays.size(), 4U);
  const auto found = std::ranges::find(process.replays, 50U, [](const RecordedReplays& each) { return each.call.count; });
  ASSERT_NE(found, process.replays.end());
  EXPECT_EQ(found->replays, 1U);
}

// Of the first half of the places nobody asks when their graphs are gone.
TEST(Journal, PlacesAreScarceFromHalfOfThemOn) {
  OneRank of_the_process(Level::basic, 6);
  for (const bool scarce : {false, false, false, true}) {
    of_the_process.capture(20);
    EXPECT_EQ(of_the_process.journal->is_scarce(), scarce);
  }
  OneRank of_the_rank(Level::basic, 4 * Journal::captured);
  for (std::uint32_t i = 0; i < Journal::captured / 2; ++i) of_the_rank.capture(20);
  EXPECT_FALSE(of_the_rank.journal->is_scarce());
  of_the_rank.capture(20);
  EXPECT_TRUE(of_the_rank.journal->is_scarce());
}

// A graph may end between the two steps of a capture.
TEST(Journal, APlaceThatWasOfferedIsTheOneThatIsKept) {
  OneRank rank(Level::basic, Journal::captured);
  rank.capture(10, 12);
  rank.capture(10, 13);
  for (std::uint32_t i = 2; i < Journal::captured; ++i) rank.capture(20);
  const auto gone = [&](std::uint64_t capture) {
    rank.journal->gone()->add(capture);
    for (int i = 0; i < 60; ++i) rank.journal->read();
  };
  gone(12);
  const CallInfo info{.count = 30, .kind = monitor::all_reduce, .type = 7, .flags = monitor::captured};
  const auto number = rank.recorder->begin(rank.side, info);
  const auto place = rank.journal->of_captured(14, OneRank::call_of(30));
  gone(13);
  rank.journal->keep(number, info, nullptr);
  rank.run(place);
  rank.journal->read();
  const auto process = rank.record();
  const auto kept = std::ranges::find(process.replays, 14U, &RecordedReplays::capture);
  ASSERT_NE(kept, process.replays.end());
  EXPECT_EQ(kept->replays, 1U);
}

// A call that no record has is kept at no place, least of all at that of a call before it that nobody served.
TEST(Journal, ACallWithoutARecordTakesNoPlace) {
  OneRank rank(Level::basic);
  const auto offered = rank.journal->of_captured(11, OneRank::call_of(10));
  rank.journal->keep(0, {.count = 20, .kind = monitor::all_reduce}, nullptr);
  EXPECT_EQ(rank.record().not_counted, 1U);
  EXPECT_EQ(rank.capture(30, 12).counts, offered.counts);
}

TEST(Journal, ACallThatFailsHalfWayKeepsItsPlaceFromTheNext) {
  OneRank rank(Level::basic);
  const auto failed = rank.journal->of_captured(11, OneRank::call_of(10));
  rank.journal->give_up();
  const auto next = rank.capture(20);
  EXPECT_NE(next.counts, failed.counts);
  rank.run(failed);
  rank.run(next);
  rank.journal->read();
  EXPECT_EQ(rank.record().replays.at(0).replays, 1U);
}

}  // namespace
}  // namespace p2plab::journal_places_test
