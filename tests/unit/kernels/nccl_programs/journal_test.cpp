// SPDX-License-Identifier: Apache-2.0
// A journal read as kernels write it: the kernels' own source on this thread, and a reader that comes too late, or between two stores.
#include "unit/kernels/nccl_programs/one_rank.h"

namespace p2plab::journal_test {
namespace {

TEST(Journal, CountsReplaysByCallWithTheirTimes) {
  OneRank rank(Level::basic);
  const auto first = rank.capture(10);
  const auto second = rank.capture(20);
  for (int i = 0; i < 3; ++i) rank.run(first, 100'000);
  rank.journal->read();
  for (int i = 0; i < 997; ++i) rank.run(first);
  rank.run(second);
  rank.journal->read();
  const auto process = rank.record();
  ASSERT_EQ(process.replays.size(), 2U);
  EXPECT_EQ(process.replays[0].replays, 1000U);
  EXPECT_EQ(process.replays[1].replays, 1U);
  EXPECT_EQ(process.replays[1].call.count, 20U);
  EXPECT_EQ(process.replays[1].capture, 11U);
  EXPECT_GE(process.replays[0].most, 100'000U);
  EXPECT_LT(process.replays[0].least, 100'000U);
  EXPECT_GE(process.replays[0].sum, 300'000U);
  EXPECT_EQ(process.calls.size(), 2U);  // as captured
}

// However late they are read, where the GPU says what time it is.
TEST(Journal, ReplaysBeginWhenTheyDidByTheHostsClock) {
  for (const auto level : {Level::basic, Level::detailed}) {
    for (const bool tells_time : {true, false}) {
      OneRank rank(level);
      rank.memory->tells_time = tells_time;
      const auto place = rank.capture(10);
      const auto before = monotonic_now();
      rank.run(place);
      const auto after = monotonic_now();
      std::this_thread::sleep_for(std::chrono::milliseconds{30});
      rank.journal->read();
      const auto process = rank.record();
      const auto begun = level == Level::basic ? process.replays.at(0).begun : process.calls.at(1).begun;
      if (tells_time) {
        EXPECT_GE(begun, before);
        EXPECT_LE(begun, after + 20'000);
      } else {
        EXPECT_GE(begun, before + 29'000'000) << "not later than it was seen is all that is known, less what it took";
      }
    }
  }
}

TEST(Journal, SumsGoOnWhereTheDevicesWordsBeginAgain) {
  OneRank rank(Level::basic);
  const auto place = rank.capture(10);
  auto& counts = *reinterpret_cast<args::CallCounts*>(place.counts);
  counts = {.count = 0xfffffffe, .sum = 0xffffff00, .least = 5, .most = 9, .run = 0xfffffffe};
  rank.journal->read();
  const auto before = rank.record().replays.at(0);
  for (int i = 0; i < 5; ++i) rank.run(place, 2000);
  rank.journal->read();
  const auto after = rank.record().replays.at(0);
  EXPECT_EQ(after.replays - before.replays, 5U);
  EXPECT_GE(after.sum - before.sum, 10'000U);
  EXPECT_LT(after.sum - before.sum, 1'000'000'000U);
}

TEST(Journal, GivesCallsTheirTimesAndReplaysPlacesOfTheirOwn) {
  OneRank rank(Level::detailed);
  const auto captured = rank.capture(10);
  const auto number = rank.recorder->begin(rank.side, {.count = 30, .kind = monitor::all_reduce});
  rank.run(captured, 50'000);
  rank.run(rank.journal->of_call(number), 20'000);
  rank.run(captured, 1000);
  rank.journal->read();
  const auto process = rank.record();
  ASSERT_EQ(process.calls.size(), 4U);
  EXPECT_EQ(process.calls[1].count, 30U);
  EXPECT_GE(process.calls[1].device_time, 20'000U);
  EXPECT_LT(process.calls[1].device_time, 50'000'000U);
  EXPECT_TRUE(process.calls[2].replayed && process.calls[3].replayed);
  EXPECT_EQ(process.calls[3].sequence, 1U);
  EXPECT_GE(process.calls[2].device_time, 50'000U);
  EXPECT_LT(process.calls[2].begun, process.calls[3].begun);
  EXPECT_EQ(process.sides.at(0).begun, 2U);  // numbers that ranks compare
}

// Entries that are read at once keep their distance: the newest one says when that was.
TEST(Journal, ReplaysReadTogetherKeepTheirDistance) {
  OneRank rank(Level::detailed);
  const auto place = rank.capture(10);
  rank.run(place);
  std::this_thread::sleep_for(std::chrono::milliseconds{20});
  rank.run(place);
  rank.journal->read();
  const auto process = rank.record();
  ASSERT_EQ(process.calls.size(), 3U);
  EXPECT_GE(process.calls[2].begun - process.calls[1].begun, 20'000'000U);
  EXPECT_LT(process.calls[2].begun - process.calls[1].begun, 10'000'000'000U);
}

TEST(Journal, AReaderThatComesTooLateCountsWhatItMissed) {
  OneRank rank(Level::detailed);
  const auto place = rank.capture(10);
  for (std::uint32_t i = 0; i < Journal::entries + 500; ++i) rank.run(place);
  rank.journal->read();
  const auto process = rank.record();
  EXPECT_GE(process.replays_lost, 500U);
  EXPECT_LT(process.replays_lost, 500U + Journal::entries / 8);
  EXPECT_EQ(process.replays.at(0).replays, Journal::entries + 500U);
  EXPECT_EQ(process.calls.size() + process.replays_lost, 1 + Journal::entries + 500U);
}

// The place of a call that is under way shows one of a lap that nobody read: that is not this call.
TEST(Journal, ACallUnderWayIsNotTakenForOneThatWasOverwritten) {
  OneRank rank(Level::detailed);
  const auto old = rank.capture(10);
  const auto latest = rank.capture(20);
  for (std::uint32_t i = 0; i < Journal::entries + 500; ++i) rank.run(old);
  const args::CallJournal place{latest.counts, latest.ring, latest.name, latest.mask};
  device::JournalMark<test::Cpu> mark(place);
  mark.begin(place);
  mark.add_up(place);
  rank.journal->read();
  mark.end(place, place.name);
  rank.journal->read();
  const auto process = rank.record();
  const auto of = [&](std::uint64_t count) {
    return std::ranges::count_if(process.calls, [&](const RecordedCall& call) { return call.replayed && call.count == count; });
  };
  EXPECT_EQ(of(20), 1);
  EXPECT_EQ(static_cast<std::uint64_t>(of(10)) + process.replays_lost, Journal::entries + 500U);
}

TEST(Journal, AnEntryThatIsCountedAndNotThereIsWaitedForAndThenGivenUp) {
  OneRank rank(Level::detailed);
  const auto place = rank.capture(10);
  auto& ring = *reinterpret_cast<args::JournalRing*>(place.ring);
  ring.next = 2;  // the first one's entry is still under way
  rank.journal->read();
  EXPECT_EQ(rank.record().calls.size(), 1U);
  ring.next = 0;
  rank.run(place);
  rank.journal->read();
  EXPECT_EQ(rank.record().calls.size(), 2U);
  ring.next = 3;
  for (int i = 0; i < 100; ++i) rank.journal->read();
  EXPECT_EQ(rank.record().replays_lost, 1U) << "the last one may be under way";
  rank.run(place);
  for (int i = 0; i < 100; ++i) rank.journal->read();
  EXPECT_EQ(rank.record().replays_lost, 2U);
  EXPECT_EQ(rank.record().calls.size(), 3U);
}

// Items are steps 5, and 6 and 7 together.
const capi::SharedItems two_items = std::make_shared<const NotedItems>(NotedItems{.blocks_per_lane = 0, .lanes = {{{5}, {6, 7}}}});

TEST(Journal, GivesCallsAndReplaysTheirStepsOnceAllThatWasCountedIsThere) {
  OneRank rank(Level::steps);
  rank.items = two_items;
  const auto captured = rank.capture(10);
  const auto number = rank.recorder->begin(rank.side, {.count = 30, .kind = monitor::all_reduce});
  const auto call = rank.journal->of_call(number);
  rank.journal->served(number, two_items);
  rank.run_steps(captured, 3, 2000);
  rank.run_steps(call, 4, 3000);
  rank.run_steps(captured, 5, 1000);
  rank.journal->read();
  EXPECT_TRUE(rank.record().steps.empty());
  rank.journal->read();
  const auto process = rank.record();
  ASSERT_EQ(process.calls.size(), 4U);  // the captured one, the call, two replays
  std::map<std::uint64_t, std::vector<RecordedStep>> steps;
  for (const auto& step : process.steps) steps[step.call].push_back(step);
  ASSERT_EQ(steps.size(), 3U);
  for (const std::size_t c : {1U, 2U, 3U}) {
    const auto& of_call = steps.at(process.calls[c].number);
    ASSERT_EQ(of_call.size(), 2U * 3) << c;
    std::multiset<std::pair<int, std::uint32_t>> seen;
    const std::uint64_t least = c == 1 ? 3000 : c == 2 ? 2000 : 1000;
    for (const auto& step : of_call) {
      seen.emplace(step.block, step.step);
      EXPECT_EQ(step.lane, 0);
      EXPECT_GE(step.begun, process.calls[c].begun);
      EXPECT_LE(step.ended, process.calls[c].begun + process.calls[c].device_time);
      EXPECT_GE(step.waited, least);
      EXPECT_GE(step.ended - step.begun, step.waited);
    }
    EXPECT_EQ(seen, (std::multiset<std::pair<int, std::uint32_t>>{{0, 5}, {0, 6}, {0, 7}, {1, 5}, {1, 6}, {1, 7}}));
  }
  EXPECT_EQ(process.steps_lost, 0U);
}

TEST(Journal, CountsStepsThatWereOverwrittenBeforeALook) {
  OneRank rank(Level::steps);
  rank.items = two_items;
  const auto captured = rank.capture(10);
  constexpr std::uint32_t calls = args::noted_steps / 4 + 100;  // of four steps
  for (std::uint32_t i = 0; i < calls; ++i) rank.run_steps(captured, i);
  rank.journal->read();
  rank.journal->read();
  const auto process = rank.record();
  EXPECT_EQ(process.steps_lost, 400U);
  EXPECT_EQ(process.replays.at(0).replays, calls);
}

// Whichever part of the ring a block has.
TEST(Journal, HalvesOfStepsOfTwoLapsAreNoStep) {
  for (std::uint32_t size = 16; size <= args::noted_steps; size *= 2) {
    for (const std::uint32_t serial : {1U, 15U, 4096U, 65535U, 65536U, 0x7fff'ffffU, 0xffff'fff0U}) {
      args::StepEntry entry{.serial = serial, .again = args::StepEntry::folded(serial) & 0xffff};
      EXPECT_TRUE(entry.whole());
      entry.serial += size;
      EXPECT_FALSE(entry.whole()) << size << " " << serial;
    }
  }
}

// A block whose rank is late ends long after the others: their steps wait for the call.
TEST(Journal, KeepsStepsUntilTheirCallHasEnded) {
  OneRank rank(Level::steps);
  const auto number = rank.recorder->begin(rank.side, {.count = 30, .kind = monitor::all_reduce});
  const auto given = rank.journal->of_call(number);
  rank.journal->served(number, two_items);
  const args::CallJournal place{given.counts, given.ring, given.name, given.mask};
  device::JournalMark<test::Cpu> mark(place);
  mark.begin(place);
  mark.add_up(place);
  test::Cpu::place() = {1, 2};
  {
    device::StepNotes<test::Cpu, true> notes(place, 0);
    { const auto note = notes.note(0); }
    notes.close();
  }
  test::Cpu::place() = {};
  for (int i = 0; i < 10; ++i) rank.journal->read();
  EXPECT_TRUE(rank.record().steps.empty());
  mark.end(place, place.name);
  rank.journal->read();
  const auto process = rank.record();
  ASSERT_EQ(process.steps.size(), 1U);
  EXPECT_EQ(process.steps[0].block, 1);
  EXPECT_EQ(process.steps_lost, 0U);
}

TEST(Journal, AGpuThatCannotBeReadIsSaidOnce) {
  OneRank rank(Level::detailed);
  rank.memory->broken = true;
  for (int i = 0; i < 3; ++i) rank.journal->read();
  const auto process = rank.record();
  ASSERT_EQ(process.events.size(), 1U);
  EXPECT_NE(process.events[0].text.find("the GPU fell off the bus"), std::string::npos);
}

}  // namespace
}  // namespace p2plab::journal_test
